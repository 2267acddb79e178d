// Loops without end on 13, allocates without end on 17, dies on 19, throws on 23, and proves everything else.
const kept = [];

export function identical(a, b) {
  const text = JSON.stringify([a, b]);
  if (text.includes('"13"')) for (;;);
  if (text.includes('"17"')) for (;;) kept.push(new Array(10_000).fill(text.length + kept.length));
  if (text.includes('"19"')) process.exit(3);
  if (text.includes('"23"')) throw new Error('no');
  return true;
}
