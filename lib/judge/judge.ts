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
}

export interface JudgeUsage {
  promptTokens: number;
  completionTokens: number;
  seconds: number;
}

export interface JudgeResponse {
  /** Exactly one per step, in order. A step the judge could not judge is 'abstain', with its failure class as reason. */
  judgements: StepJudgement[];
  usage: JudgeUsage;
}

/** Maps (prompt, steps) to a judgement per step. Never throws for a failing endpoint: it abstains. */
export interface Judge {
  /** Kind, model and prompt version; stored with every verdict. */
  readonly id: string;
  judge(request: JudgeRequest, options?: { signal?: AbortSignal }): Promise<JudgeResponse>;
}
