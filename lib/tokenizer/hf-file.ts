import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { LapidaryError } from '../errors.ts';

/** What is read of a Hugging Face tokenizer.json; the rest is about encoding. */
const AddedToken = z.looseObject({
  id: z.number().int().min(0),
  content: z.string(),
  special: z.boolean().default(false),
});
export type AddedToken = z.infer<typeof AddedToken>;

const HfFile = z.looseObject({
  model: z.looseObject({
    type: z.string().nullish(),
    byte_fallback: z.boolean().nullish(),
    /** Checked by hand: a schema's copy would lose a piece named "__proto__". */
    vocab: z.unknown().optional(),
  }),
  added_tokens: z.array(AddedToken).nullish(),
  decoder: z.unknown().optional(),
  pre_tokenizer: z.unknown().optional(),
});

/** byte-level: the GPT-2 byte alphabet (Qwen, Llama 3). sentencepiece: "▁" for a space, "<0x0A>" for a byte. */
export type HfKind = 'byte-level' | 'sentencepiece';

export interface HfVocabulary {
  sha256: string;
  kind: HfKind;
  /** By id; undefined where the file has a hole. */
  pieces: (string | undefined)[];
  added: Map<number, AddedToken>;
  /** Whether the decoder drops the space of the first word. */
  stripsLeadingSpace: boolean;
}

/** Lower-case hex SHA-256 of a tokenizer.json: what `sampler.tokenizer_sha256` of a rollout should hold. */
export function tokenizerSha256(path: string): string {
  return createHash('sha256').update(readFile(path)).digest('hex');
}

/** Throws ERR_LAPIDARY_IO where the file cannot be read, ERR_LAPIDARY_DATA where it is not of the two kinds. */
export function readHfFile(path: string): HfVocabulary {
  const bytes = readFile(path);
  let raw: unknown;
  try {
    raw = JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    throw fileError(path, '(file)', `is not JSON: ${(cause as Error).message}`, cause);
  }
  const parsed = HfFile.safeParse(raw);
  if (!parsed.success) {
    const issue = parsed.error.issues[0]!;
    throw fileError(path, issue.path.join('.') || '(top level)', issue.message);
  }
  const { model, decoder, pre_tokenizer: preTokenizer, added_tokens: addedTokens } = parsed.data;
  const kind = kindOf(model.byte_fallback === true, decoder, preTokenizer);
  if (kind === null) {
    const problem = `model type ${model.type ?? 'unknown'} without a byte-level or "▁" decoder: expected byte-level BPE or SentencePiece`;
    throw fileError(path, 'decoder', problem);
  }
  return {
    sha256: createHash('sha256').update(bytes).digest('hex'),
    kind,
    pieces: piecesById(path, model.vocab),
    added: new Map((addedTokens ?? []).map((token) => [token.id, token])),
    stripsLeadingSpace: kind === 'sentencepiece' && dropsFirstSpace(decoder),
  };
}

function readFile(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const message = `${path}: cannot be read: ${(cause as Error).message}`;
    throw new LapidaryError('ERR_LAPIDARY_IO', message, { cause });
  }
}

/** An id out of all proportion would make an array of that size. */
const MAX_ID = 2 ** 24;

/** The vocabulary as a list: from an object of piece to id (BPE), or a list of pairs of piece and score (Unigram). */
function piecesById(path: string, vocab: unknown): (string | undefined)[] {
  const field = 'model.vocab';
  if (Array.isArray(vocab)) {
    const bad = vocab.findIndex((pair) => !Array.isArray(pair) || typeof pair[0] !== 'string');
    if (bad >= 0) throw fileError(path, `${field}[${bad}]`, 'expected a pair of a piece and a score');
    return vocab.map(([piece]) => piece as string);
  }
  if (typeof vocab !== 'object' || vocab === null) {
    throw fileError(path, field, 'expected an object of ids or a list of pairs');
  }
  const pieces: (string | undefined)[] = [];
  for (const [piece, id] of Object.entries(vocab as Record<string, unknown>)) {
    if (!(Number.isInteger(id) && (id as number) >= 0 && (id as number) <= MAX_ID)) {
      throw fileError(
        path,
        field,
        `${JSON.stringify(piece)} has id ${id}: expected an integer in 0..${MAX_ID}`,
      );
    }
    const other = pieces[id as number];
    if (other !== undefined) {
      const names = `${JSON.stringify(other)} and ${JSON.stringify(piece)}`;
      throw fileError(path, field, `id ${id} is given twice, to ${names}`);
    }
    pieces[id as number] = piece;
  }
  return pieces;
}

function kindOf(byteFallback: boolean, decoder: unknown, preTokenizer: unknown): HfKind | null {
  const parts = [...partsOf(decoder, 'decoders'), ...partsOf(preTokenizer, 'pretokenizers')];
  if (parts.some(({ type }) => type === 'ByteLevel')) return 'byte-level';
  const spaces = parts.some(
    ({ type, content }) => type === 'Metaspace' || (type === 'Replace' && content === ' '),
  );
  return spaces || byteFallback ? 'sentencepiece' : null;
}

interface Part {
  type?: unknown;
  content?: unknown;
  start?: unknown;
  add_prefix_space?: unknown;
  prepend_scheme?: unknown;
}

/** A component, or the members of a sequence of them. */
function partsOf(component: unknown, members: string): Part[] {
  if (typeof component !== 'object' || component === null) return [];
  const list = (component as Record<string, unknown>)[members];
  if (!Array.isArray(list)) return [component as Part];
  return list.filter((part): part is Part => typeof part === 'object' && part !== null);
}

function dropsFirstSpace(decoder: unknown): boolean {
  return partsOf(decoder, 'decoders').some((part) => {
    if (part.type === 'Strip')
      return part.content === ' ' && typeof part.start === 'number' && part.start > 0;
    if (part.type !== 'Metaspace') return false;
    return part.prepend_scheme === undefined
      ? part.add_prefix_space !== false
      : part.prepend_scheme !== 'never';
  });
}

function fileError(path: string, field: string, problem: string, cause?: unknown): LapidaryError {
  return new LapidaryError('ERR_LAPIDARY_DATA', `${path}: ${field}: ${problem}`, {
    argument: field,
    ...(cause === undefined ? {} : { cause }),
  });
}
