/**
 * A tokenizer.json like XLM-RoBERTa's: Unigram pieces after "▁", <s> and </s> at the same ids, whitespace of all
 * kinds read as spaces. Small enough that what it should give can be worked out by hand.
 */
export function tinyTokenizer(): unknown {
  const letters = [...'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.,?!$\\<>/-'];
  const pieces = ['▁', '▁One', '▁Two', 'first', '▁first', '🎉', '▁🎉', 'é', '日', '本', '…', ...letters];
  return {
    version: '1.0',
    truncation: null,
    padding: null,
    added_tokens: ['<s>', '<pad>', '</s>', '<unk>'].map((content, id) => ({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Replace', pattern: { Regex: '[\\n\\r\\t]' }, content: ' ' },
        { type: 'Replace', pattern: { Regex: ' {2,}' }, content: ' ' },
      ],
    },
    pre_tokenizer: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    post_processor: null,
    decoder: { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always', split: true },
    model: {
      type: 'Unigram',
      unk_id: 3,
      byte_fallback: false,
      vocab: [
        ['<s>', 0],
        ['<pad>', 0],
        ['</s>', 0],
        ['<unk>', 0],
        ...pieces.map((piece, i) => [piece, -2 - i / 100 + [...piece].length]),
      ],
    },
  };
}
