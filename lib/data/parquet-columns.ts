import { z } from 'zod';
import { LapidaryError } from '../errors.ts';

/**
 * The Parquet columns of a table. What a schema says picks the kind of a column; what the rows hold picks its width,
 * so that every value comes back as it was: an integer beyond 32 bits makes INT64, a log-prob that is no f32 makes
 * DOUBLE, a string that is no well-formed Unicode (half an emoji) makes JSON.
 */
export type ColumnKind =
  | 'string'
  | 'boolean'
  | 'int'
  | 'number'
  | 'int_list'
  | 'number_list'
  | 'f32_list'
  | 'json';

export type PhysicalType = 'STRING' | 'BOOLEAN' | 'INT32' | 'INT64' | 'FLOAT' | 'DOUBLE' | 'JSON';

export interface ParquetColumn {
  name: string;
  /** Its name in the file: another where readers would not give the own one back. */
  stored: string;
  type: PhysicalType;
  list: boolean;
  /** The stored rows already hold text: true for what the schema leaves open, not for strings that had to widen. */
  text: boolean;
  /** False where the writer's dictionary would turn -0 into 0. */
  dictionary: boolean;
  /** What a missing value is read as: true where no row of the table has the key with null. */
  absent: boolean;
}

/** Columns of values that a kernel computed in f32. */
const F32_LIST = /(?:_logprobs|^token_weight)$/;
const LONE_SURROGATE = /\p{Surrogate}/u;
/** UTF-8 has no half of an emoji, and readers take a leading U+FEFF for a byte-order mark. */
const BREAKS_IN_UTF8 = /^\ufeff|\p{Surrogate}/u;

/** The columns that a schema names, in its order; ERR_LAPIDARY_ARGUMENT for a schema that is not an object's. */
export function kindsOfSchema(schema: z.ZodType): Map<string, ColumnKind> {
  if (!(schema instanceof z.ZodObject)) {
    throw new LapidaryError(
      'ERR_LAPIDARY_ARGUMENT',
      `parquet: schema: is of kind ${schema.def.type}; expected an object schema, which names the columns`,
      { argument: 'schema' },
    );
  }
  const shape = schema.shape as Record<string, z.ZodType>;
  return new Map(Object.entries(shape).map(([name, field]) => [name, kindOf(name, field)]));
}

function kindOf(name: string, schema: z.ZodType): ColumnKind {
  const field = unwrap(schema);
  if (field instanceof z.ZodArray) {
    const element = field.element as z.ZodType;
    if (!(element instanceof z.ZodNumber)) return 'json';
    if (element.isInt) return 'int_list';
    return F32_LIST.test(name) ? 'f32_list' : 'number_list';
  }
  if (field instanceof z.ZodString) return 'string';
  if (field instanceof z.ZodBoolean) return 'boolean';
  if (field instanceof z.ZodNumber) return field.isInt ? 'int' : 'number';
  const literals = literalsOf(field);
  if (literals === null) return 'json';
  if (literals.every((value) => typeof value === 'string')) return 'string';
  return literals.every((value) => Number.isInteger(value)) ? 'int' : 'json';
}

function unwrap(schema: z.ZodType): z.ZodType {
  let field = schema;
  while (field instanceof z.ZodOptional || field instanceof z.ZodNullable || field instanceof z.ZodDefault) {
    field = field.unwrap() as z.ZodType;
  }
  return field;
}

function literalsOf(field: z.ZodType): unknown[] | null {
  if (field instanceof z.ZodEnum) return field.options;
  if (field instanceof z.ZodLiteral) return [...field.values];
  if (!(field instanceof z.ZodUnion)) return null;
  const branches = (field.options as z.ZodType[]).map(literalsOf);
  return branches.some((branch) => branch === null) ? null : branches.flatMap((branch) => branch!);
}

/** What the rows of a table hold, gathered row by row before the first value is written. */
export class ColumnSurvey {
  readonly #columns = new Map<string, Findings>();

  constructor(schema: z.ZodType) {
    for (const [name, kind] of kindsOfSchema(schema)) this.#columns.set(name, new Findings(kind));
  }

  /**
   * Takes a row that has passed the schema and gives it back as it is to be stored: keys beyond the schema's are JSON
   * columns, and the values of JSON columns are text. `fail` makes the error for a value that JSON cannot express.
   */
  take(row: object, fail: (field: string, problem: string) => Error): Record<string, unknown> {
    const stored: [string, unknown][] = [];
    for (const [name, value] of Object.entries(row)) {
      let findings = this.#columns.get(name);
      if (findings === undefined) {
        findings = new Findings('json');
        this.#columns.set(name, findings);
      }
      if (value === undefined) continue;
      findings.add(value);
      try {
        stored.push([name, findings.kind === 'json' ? JSON.stringify(value) : value]);
      } catch (cause) {
        throw fail(name, `cannot be written as JSON: ${(cause as Error).message}`);
      }
    }
    return Object.fromEntries(stored);
  }

  columns(): ParquetColumn[] {
    return [...this.#columns].map(([name, findings], index) => ({
      ...findings.column(name),
      stored: BREAKS_IN_UTF8.test(name) ? this.#freeName(index) : name,
    }));
  }

  #freeName(index: number): string {
    let name = `column ${index}`;
    while (this.#columns.has(name)) name += "'";
    return name;
  }
}

class Findings {
  readonly kind: ColumnKind;
  #nulls = 0;
  #int32 = true;
  #f32 = true;
  #negativeZero = false;
  #wellFormed = true;

  constructor(kind: ColumnKind) {
    this.kind = kind;
  }

  add(value: unknown): void {
    if (value === null) this.#nulls++;
    else if (this.kind === 'json') return;
    else if (Array.isArray(value)) for (const item of value) this.#number(item);
    else if (typeof value === 'number') this.#number(value);
    else if (typeof value === 'string' && this.#wellFormed) this.#wellFormed = !LONE_SURROGATE.test(value);
  }

  #number(value: number): void {
    if (value !== (value | 0)) this.#int32 = false;
    if (value !== Math.fround(value)) this.#f32 = false;
    if (Object.is(value, -0)) this.#negativeZero = true;
  }

  column(name: string): Omit<ParquetColumn, 'stored'> {
    return {
      name,
      type: this.#type(),
      list: this.kind.endsWith('_list'),
      text: this.kind === 'json',
      dictionary: !this.#negativeZero,
      absent: this.#nulls === 0,
    };
  }

  #type(): PhysicalType {
    switch (this.kind) {
      case 'json':
        return 'JSON';
      case 'boolean':
        return 'BOOLEAN';
      case 'string':
        return this.#wellFormed ? 'STRING' : 'JSON';
      case 'int':
      case 'int_list':
        return this.#int32 ? 'INT32' : 'INT64';
      case 'f32_list':
        return this.#f32 ? 'FLOAT' : 'DOUBLE';
      default:
        return 'DOUBLE';
    }
  }
}
