export type StepLabel = 'right' | 'wrong' | 'abstain';

/** A judge's opinion of one step, *intrinsic*: an error inherited from an earlier step does not count here. */
export interface StepJudgement {
  label: StepLabel;
  /** True where the step corrects an earlier error or opens a new approach that is free of it. */
  recovers: boolean;
  /** Score in [0, 1] where the judge has one. */
  score: number | null;
  reason: string | null;
}

export interface JudgeRequest {
  rolloutId: string;
  problem: string;
  /** The gold answer where the judge may see it. */
  groundTruth: string | null;
  steps: readonly string[];
  /** Stored token ids, for judges that continue or score prefixes of tokens; null where there are none. */
  promptIds?: readonly number[] | null;
  responseIds?: readonly number[] | null;
  /** For each step the index in responseIds just past its last token. */
  stepEnds?: readonly number[] | null;
  /** Positions in `steps` that a verdict is wanted on; absent: all. The others come back 'abstain', "not-asked". */
  asked?: readonly number[];
}

export interface JudgeUsage {
  promptTokens: number;
  completionTokens: number;
  seconds: number;
  /** Absent: the price is not known. */
  costUsd?: number;
}

export interface JudgeResponse {
  /** Exactly one per step, in order. A step the judge could not judge is 'abstain', with its failure class as reason. */
  judgements: StepJudgement[];
  usage: JudgeUsage;
}

/**
 * What a verdict speaks of. 'step': the step's own content, so that error propagation is applied in code. 'prefix':
 * the response up to the step's end, as process reward models and continuations see it; an error before the step
 * counts already, and propagation leaves such verdicts as they are.
 */
export type VerdictScope = 'step' | 'prefix';

/** Maps (prompt, steps) to a judgement per step. Never throws for a failing endpoint: it abstains. */
export interface Judge {
  /** Kind, model and prompt version; stored with every verdict. */
  readonly id: string;
  /** Default 'step'. */
  readonly scope?: VerdictScope;
  judge(request: JudgeRequest, options?: { signal?: AbortSignal }): Promise<JudgeResponse>;
  /** For judges that gain from seeing many responses at once; one response per request, in order. */
  judgeBatch?(
    requests: readonly JudgeRequest[],
    options?: { signal?: AbortSignal },
  ): Promise<JudgeResponse[]>;
  /** Requests per call of judgeBatch. */
  readonly batchSize?: number;
}
