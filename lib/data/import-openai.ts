import { z } from 'zod';
import { dataError } from '../errors.ts';
import { ChatMessages, messagesOf } from './chat-prompt.ts';
import {
  type DumpFormat,
  type ImportOptions,
  importDump,
  present,
  type RowPlace,
  type SampledRow,
} from './collect-samples.ts';
import { goldAnswerOf, withoutColumns } from './gold-answer.ts';
import type { RolloutSet } from './import-flat.ts';
import { SAMPLING_SETTINGS, samplingSettings } from './logprob-kind.ts';
import { OpenaiResponse, sampleOfChoice } from './openai-response.ts';
import { validateRow } from './parse-row.ts';

const Asked = {
  prompt: z.string().nullish(),
  messages: ChatMessages.nullish(),
};
/** A stored call: request and response apart, or a bare response with prompt (or messages) and answer beside it. */
export const OpenaiRow = z.looseObject({
  ...Asked,
  request: z.looseObject({ ...Asked, extra_body: z.record(z.string(), z.unknown()).nullish() }).nullish(),
  response: OpenaiResponse.nullish(),
});
export type OpenaiRow = z.infer<typeof OpenaiRow>;

/** Reads stored calls of an OpenAI-compatible server (chat or text completions); the choices of a call are a group. */
export function importOpenai(path: string, options: ImportOptions = {}): Promise<RolloutSet> {
  return importDump(path, openaiFormat, options);
}

const ANSWER_COLUMNS = ['answer', 'gold_answer'];
/** What the server says about the call as a whole; kept together, so that it is not read as the rollout's own. */
const RESPONSE_FIELDS = ['id', 'object', 'created', 'model', 'usage', 'system_fingerprint'];

export const openaiFormat: DumpFormat<OpenaiRow> = {
  schema: OpenaiRow,
  read(row, place) {
    const bare = row.response == null;
    const response = row.response ?? validateRow(row, OpenaiResponse, place.file, place.line);
    const sent = wireRequest(row.request);
    const request: Record<string, unknown> = { ...row, ...sent };
    const messages = messagesAsked(request, place);
    const gold = goldAnswerOf(row, ANSWER_COLUMNS, messages, place);
    const settings = samplingSettings(request);
    const used = ['request', 'response', 'prompt', 'messages', 'choices', 'prompt_token_ids', 'model'];
    const read: SampledRow = {
      messages,
      goldAnswer: gold.goldAnswer,
      dataSource: typeof row.dataset === 'string' ? row.dataset : null,
      sampler: { ...settings, model: response.model ?? request.model },
      statedKind: row.logprob_kind,
      samples: [...response.choices]
        .sort((a, b) => (a.index ?? 0) - (b.index ?? 0))
        .map((choice) => sampleOfChoice(choice, response, place)),
      kept: {
        ...withoutColumns(row, [
          ...used,
          ...SAMPLING_SETTINGS,
          gold.column,
          ...(bare ? RESPONSE_FIELDS : []),
          'logprob_kind',
        ]),
        ...callOf(response, bare),
        ...asCall(
          'request_call',
          withoutColumns(sent, [...SAMPLING_SETTINGS, 'prompt', 'messages', 'model']),
        ),
      },
    };
    return read;
  },
};

/** A request as the server saw it: clients spell settings that OpenAI does not know in `extra_body`. */
function wireRequest(request: OpenaiRow['request']): Record<string, unknown> {
  const { extra_body: extra, ...fields } = request ?? {};
  return { ...fields, ...extra };
}

function messagesAsked(request: Record<string, unknown>, { file, line }: RowPlace): SampledRow['messages'] {
  const chat = ChatMessages.safeParse(request.messages);
  if (chat.success) return messagesOf(chat.data);
  if (typeof request.prompt === 'string' && request.prompt !== '') return messagesOf(request.prompt);
  throw dataError(
    file,
    line,
    'request',
    'has neither messages nor a prompt text, and the row has none beside',
  );
}

function callOf(response: OpenaiResponse, bare: boolean): Record<string, unknown> {
  const rest = withoutColumns(response, ['choices', 'prompt_token_ids']);
  const call = bare ? Object.fromEntries(RESPONSE_FIELDS.map((name) => [name, response[name]])) : rest;
  return asCall('response_call', call);
}

function asCall(column: string, fields: Record<string, unknown>): Record<string, unknown> {
  const said = present(fields);
  return Object.keys(said).length === 0 ? {} : { [column]: said };
}
