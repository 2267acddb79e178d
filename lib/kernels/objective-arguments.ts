import { checkNumber, fail } from './check.ts';
import type { NativeArguments } from './native.ts';
import type { Anchor, Bounds, Objective } from './objective.ts';
import { describe } from './tensor.ts';

/** The codes of lapidary.h's enums, by the names of `Objective`. */
const ANCHORS = { old: 1, behaviour: 2, ref: 3 } as const;
const LEVELS = { token: 0, 'sequence-sum': 1, 'sequence-mean': 2 } as const;
const GEOMETRIC = 3;
const GATES = {
  ...{ unit: 0, 'clip-surrogate': 1, ratio: 2, 'log-ratio': 3, 'clip-weight': 4 },
  ...{ sapo: 5, gamma: 6, none: 7, nft: 8, geometric: 2 },
} as const;
const MASKS = { 'one-side': 1, 'two-side': 2, tv: 3, 'binary-kl': 4 } as const;
const NUMERATORS = { old: 1, policy: 2 } as const;
const OUTSIDE = { cut: 0, drop: 1, 'drop-own': 2 } as const;
const ESTIMATORS = { k1: 1, k2: 2, k3: 3, abs: 4, square: 5 } as const;
const GRADIENTS = { own: 0, delta: 1, score: 2, ratio: 3, weighted: 4 } as const;
const TERMS = {
  ...{ square: 1, 'logistic-pair': 2, 'square-pair': 3, 'hinge-pair': 4, kto: 5, npo: 6, sppo: 7 },
} as const;

/** The largest f32: what the C ABI holds. */
const LARGEST = (2 - 2 ** -23) * 2 ** 127;
const ANCHOR_INPUTS = { old: 'oldLogp', behaviour: 'behaviourLogp', ref: 'refLogp' } as const;

type Given = Partial<Record<(typeof ANCHOR_INPUTS)[Anchor] | 'nftQuality', unknown>>;

function code(argument: string, codes: Record<string, number>, name: unknown): number {
  if (typeof name === 'string' && Object.hasOwn(codes, name)) return codes[name]!;
  return fail(argument, `one of ${Object.keys(codes).join(', ')}`, describe(name));
}

function number(argument: string, value: unknown, low = 0, high = LARGEST): number {
  return checkNumber(argument, value, low, high);
}

class Encoder {
  readonly args: NativeArguments = {
    ...{ gate: 0, ratioAnchor: 0, clipLow: 0, clipHigh: 0 },
    ...{ sequenceTerm: 0, sequenceAnchor: 0, tau: 0 },
  };
  readonly #given: Given;
  constructor(given: Given) {
    this.#given = given;
  }

  anchor(argument: string, anchor: Anchor): number {
    const value = code(argument, ANCHORS, anchor);
    this.input(ANCHOR_INPUTS[anchor], argument, anchor);
    return value;
  }

  input(name: keyof Given, argument: string, value: string): void {
    if (this.#given[name] === undefined) fail(name, `a Tensor, since ${argument} is "${value}"`, 'undefined');
  }

  gate(gate: Objective['gate']): void {
    const at = 'objective.gate';
    this.args.gate = code(`${at}.kind`, GATES, gate.kind);
    if (gate.kind === 'unit' || gate.kind === 'none') return;
    this.args.ratioAnchor = this.anchor(`${at}.anchor`, gate.anchor);
    if (gate.kind === 'geometric') {
      this.args.ratioLevel = GEOMETRIC;
      this.args.geometricLow = number(`${at}.clipLow`, gate.clipLow);
      this.args.geometricHigh = number(`${at}.clipHigh`, gate.clipHigh);
      return;
    }
    this.args.ratioLevel = code(`${at}.level`, LEVELS, gate.level ?? 'token');
    this.args.throughToken = gate.throughToken ? 1 : 0;
    switch (gate.kind) {
      case 'clip-surrogate':
        this.args.clipLow = number(`${at}.clipLow`, gate.clipLow, 0, 1);
        this.args.clipHigh = number(`${at}.clipHigh`, gate.clipHigh);
        if (gate.dualClip !== undefined) this.args.dualClip = number(`${at}.dualClip`, gate.dualClip, 1);
        if (gate.ratioCap !== undefined) this.args.ratioCap = number(`${at}.ratioCap`, gate.ratioCap, 1);
        return;
      case 'sapo':
        this.#sides(
          [number(`${at}.positive`, gate.positive, 1e-6), 0],
          [number(`${at}.negative`, gate.negative, 1e-6), 0],
        );
        return;
      case 'gamma':
        this.#sides(pair(`${at}.positive`, gate.positive), pair(`${at}.negative`, gate.negative));
        return;
      case 'clip-weight':
        this.#sides(bounds(`${at}.positive`, gate.positive), bounds(`${at}.negative`, gate.negative));
        return;
      case 'nft':
        this.args.nftFloor = number(`${at}.floor`, gate.floor, 1e-6);
        this.args.nftOmega = number(`${at}.omega`, gate.omega);
        this.input('nftQuality', `${at}.kind`, 'nft');
    }
  }

  #sides([positiveLow, positiveHigh]: [number, number], [negativeLow, negativeHigh]: [number, number]): void {
    Object.assign(this.args, { positiveLow, positiveHigh, negativeLow, negativeHigh });
  }

  tokenMask(mask: NonNullable<Objective['tokenMask']>): void {
    const at = 'objective.tokenMask';
    this.args.tokenMask = code(`${at}.kind`, MASKS, mask.kind);
    this.args.maskAnchor = this.anchor(`${at}.anchor`, mask.anchor);
    this.args.maskLow = number(`${at}.low`, mask.low);
    this.args.maskHigh = number(`${at}.high`, mask.high);
  }

  importance(given: NonNullable<Objective['importance']>): void {
    const at = 'objective.importance';
    this.args.importance = code(`${at}.numerator`, NUMERATORS, given.numerator);
    this.input('behaviourLogp', at, given.numerator);
    if (given.numerator === 'old') this.input('oldLogp', `${at}.numerator`, 'old');
    this.args.importanceLevel = code(`${at}.level`, LEVELS, given.level);
    this.args.importanceOutside = code(`${at}.outside`, OUTSIDE, given.outside);
    this.args.importanceLow = number(`${at}.low`, given.low ?? 0);
    this.args.importanceHigh = number(`${at}.high`, given.high, given.low ?? 0);
  }

  kl(kl: NonNullable<Objective['kl']>): void {
    const at = 'objective.kl';
    const { anchor = 'ref', gradient = 'own', ratioAnchor = 'old' } = kl;
    this.args.kl = code(`${at}.kind`, ESTIMATORS, kl.kind);
    this.args.klGradient = code(`${at}.gradient`, GRADIENTS, gradient);
    this.args.klAnchor = this.anchor(`${at}.anchor`, anchor);
    if (gradient === 'ratio' || gradient === 'weighted') {
      this.args.klRatioAnchor = this.anchor(`${at}.ratioAnchor`, ratioAnchor);
    }
    this.args.klCoefficient = number(`${at}.coefficient`, kl.coefficient, -LARGEST);
    if (kl.inputBound !== undefined) this.args.klInputBound = number(`${at}.inputBound`, kl.inputBound);
    if (kl.outputBound !== undefined) this.args.klOutputBound = number(`${at}.outputBound`, kl.outputBound);
  }

  sequenceTerm(term: NonNullable<Objective['sequenceTerm']>): void {
    const at = 'objective.sequenceTerm';
    this.args.sequenceTerm = code(`${at}.kind`, TERMS, term.kind);
    if (term.anchor !== null) this.args.sequenceAnchor = this.anchor(`${at}.anchor`, term.anchor);
    if (term.kind === 'square') {
      this.args.tau = number(`${at}.tau`, term.tau);
      return;
    }
    this.args.sequenceMean = term.mean ? 1 : 0;
    this.args.tau = number(`${at}.beta`, term.beta, 1e-12);
    if (term.kind === 'logistic-pair') {
      this.args.smoothing = number(`${at}.smoothing`, term.smoothing ?? 0, -LARGEST);
      this.args.margin = number(`${at}.margin`, term.margin ?? 0, -LARGEST);
    } else if (term.kind === 'kto') {
      this.args.ktoZ0 = number(`${at}.z0`, term.z0, -LARGEST);
      this.args.ktoDesirable = number(`${at}.desirable`, term.desirable ?? 1);
      this.args.ktoUndesirable = number(`${at}.undesirable`, term.undesirable ?? 1);
    }
  }
}

function pair(argument: string, [first, second]: readonly [number, number]): [number, number] {
  return [number(`${argument}[0]`, first), number(`${argument}[1]`, second)];
}

/** Without bounds the weight is 1: both are. */
function bounds(argument: string, given: Bounds): [number, number] {
  if (given === null) return [1, 1];
  const [low, high] = pair(argument, given);
  return [low, number(`${argument}[1]`, high, low)];
}

/** An objective as the flat numbers that native/node/policy_loss.cc reads; absent ones are 0 there. */
export function objectiveArguments(objective: Objective, given: Given): NativeArguments {
  const encoder = new Encoder(given);
  encoder.gate(objective.gate);
  if (objective.tokenMask !== undefined) encoder.tokenMask(objective.tokenMask);
  if (objective.importance !== undefined) encoder.importance(objective.importance);
  if (objective.kl !== undefined) encoder.kl(objective.kl);
  if (objective.sequenceTerm !== null) encoder.sequenceTerm(objective.sequenceTerm);
  if (objective.sequenceMask !== undefined) {
    encoder.args.sequenceMask = number('objective.sequenceMask', objective.sequenceMask, 1e-12);
    encoder.input('behaviourLogp', 'objective.sequenceMask', String(objective.sequenceMask));
  }
  return encoder.args;
}
