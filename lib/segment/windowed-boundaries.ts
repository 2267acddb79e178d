const WINDOW = 1024;

/**
 * The starts of the segments of a text, in order, the first one (0) left out. Intl.Segmenter takes time that grows
 * with the square of the text, so it is given windows that begin at a boundary. The last `unsure` segments of a
 * window are read again in the next one, because text beyond the window could have joined them.
 */
export function* windowedBoundaries(
  segmenter: Intl.Segmenter,
  text: string,
  unsure: number,
): Generator<number> {
  let from = 0;
  let size = WINDOW;
  while (from < text.length) {
    const starts: number[] = [];
    for (const { index } of segmenter.segment(text.slice(from, from + size))) starts.push(from + index);
    const last = from + size >= text.length;
    const sure = last ? starts.length : starts.length - unsure;
    // The first start of a later window was left unsure by the window before it, so it is new here.
    for (let i = from === 0 ? 1 : 0; i < sure; i++) yield starts[i]!;
    if (last) return;
    // Nothing but unsure segments: one is longer than the window.
    if (sure < 1) size *= 2;
    else {
      from = starts[sure]!;
      size = WINDOW;
    }
  }
}
