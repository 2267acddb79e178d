/** The two-sided 95 % quantile of Student's t with `freedom` degrees of freedom, to about 1e-9. */
export function studentQuantile(freedom: number): number {
  let [low, high] = [1.9, 13];
  while (high - low > 1e-10) {
    const middle = (low + high) / 2;
    if (upperTail(middle, freedom) > 0.025) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
}

/**
 * P(T > t), as an integral over the angle u = atan(t / sqrt(freedom)), in which the density is proportional to
 * cos(u)^(freedom - 1): smooth and on a finite interval, so that Simpson's rule is exact to rounding.
 */
function upperTail(t: number, freedom: number): number {
  const from = Math.atan(t / Math.sqrt(freedom));
  return simpson(from, Math.PI / 2, freedom) / simpson(-Math.PI / 2, Math.PI / 2, freedom);
}

function simpson(from: number, to: number, freedom: number): number {
  const pieces = 2000;
  const width = (to - from) / pieces;
  let sum = 0;
  for (let i = 0; i <= pieces; i++) {
    const weight = i === 0 || i === pieces ? 1 : i % 2 === 1 ? 4 : 2;
    sum += weight * Math.max(0, Math.cos(from + i * width)) ** (freedom - 1);
  }
  return (sum * width) / 3;
}
