// Schemas, and the types of documents that follow from them.

/**
 * How vectors are compared. Distance, lower is nearer: `cosine` 1 - cos(a, b); `dot` -(a . b);
 * `l2` squared Euclidean; `manhattan` sum |a - b|; `chebyshev` max |a - b|; `canberra`
 * sum |a - b| / (|a| + |b|), where 0 / 0 is 0; `braycurtis` sum |a - b| / sum |a + b|, where 0 / 0
 * is 0; `hamming` the number of elements with a != b; `jaccard` the share of the elements that are
 * not 0 in a or b that is 0 in one of them. Score, higher is better: cos(a, b); a . b; of all others
 * -(distance).
 *
 * Only the first three have codes and graphs. The others are always searched exactly.
 */
export type Metric =
  | 'cosine'
  | 'dot'
  | 'l2'
  | 'manhattan'
  | 'chebyshev'
  | 'canberra'
  | 'braycurtis'
  | 'hamming'
  | 'jaccard';

/**
 * How a field's vectors are kept. `f32`: as they are given. `f16`: each element is rounded to the
 * nearest 16-bit float (11 bits of precision) when it is written, which halves what they take and
 * what a search reads of them; searches compare the rounded vectors, and reading returns them. An
 * element beyond 65504, and under `cosine` a vector whose elements all round to 0, is refused
 * (`VECTOR`). Queries are not rounded. `bits`, under `hamming` and `jaccard` only: elements are 0 or
 * 1, in queries too (else `VECTOR`), and take one bit each; distances are the same.
 */
export type VectorStorage = 'f32' | 'f16' | 'bits';

/** What made a field's vectors; vectors of another model are refused (`MODEL`). */
export interface VectorModel {
  readonly name: string;
  readonly revision?: string;
  readonly normalized?: boolean;
}

/** Vectors of 1-8192 dimensions, given and returned as float32. */
export interface VectorField {
  readonly type: 'vector';
  readonly dims: number;
  readonly metric: Metric;
  /** Not there: `f32`. */
  readonly storage?: VectorStorage;
  readonly model?: VectorModel;
}
/** Text; stored, not searched yet. */
export interface TextField {
  readonly type: 'text';
}
/** A string, or several, to filter by. */
export interface KeywordField {
  readonly type: 'keyword';
}
/** A finite number (f64) to filter by. */
export interface NumberField {
  readonly type: 'number';
}
/** true or false, to filter by. */
export interface BoolField {
  readonly type: 'bool';
}
/** A point in time, to filter by: a Date, an ISO 8601 string, or milliseconds since 1970. */
export interface TimeField {
  readonly type: 'time';
}
/** Stored and returned, not indexed; known to TypeScript only. */
export interface JsonField<T = unknown> {
  readonly type: 'json';
  /** Never there: carries the type. */
  readonly value?: T;
}

export type Field =
  VectorField | TextField | KeywordField | NumberField | BoolField | TimeField | JsonField;

/**
 * Field names (letters, digits, `_ . -`; at most 64 bytes) and their types. The name `'*'` with
 * `json()` lets documents have any other key, too: such keys are stored and returned, not indexed.
 */
export interface Schema {
  readonly [name: string]: Field;
}

/** The schema of a collection that is opened without one: nothing is known about its fields. */
export type AnySchema = {
  readonly '*': JsonField;
};

export interface VectorFieldOptions {
  /** Default `cosine`. */
  readonly metric?: Metric;
  /** Default `f32`. */
  readonly storage?: VectorStorage | undefined;
  readonly model?: VectorModel;
}

/** A vector field: `vector(384, {metric: 'cosine', storage: 'f16'})`. */
export declare function vector(dims: number, options?: VectorFieldOptions): VectorField;
export declare function text(): TextField;
export declare function keyword(): KeywordField;
export declare function number(): NumberField;
export declare function bool(): BoolField;
export declare function time(): TimeField;
/** A key that is stored and returned, not indexed: `json<{author: string}>()`. */
export declare function json<T = unknown>(): JsonField<T>;

/** A vector as it may be given: `dims` finite numbers. */
export type VectorInput = Float32Array | readonly number[];

/** What a document may hold in a field. */
export type FieldInput<F> = F extends VectorField
  ? VectorInput
  : F extends KeywordField
    ? string | readonly string[]
    : F extends TextField
      ? string
      : F extends NumberField
        ? number
        : F extends BoolField
          ? boolean
          : F extends TimeField
            ? Date | string | number
            : F extends JsonField<infer T>
              ? T
              : never;

/** What a returned document holds in a field: what was stored; a Date comes back as its ISO text. */
export type FieldOutput<F> = F extends VectorField
  ? Float32Array
  : F extends KeywordField
    ? string | string[]
    : F extends TimeField
      ? string | number
      : F extends JsonField<infer T>
        ? T
        : FieldInput<F>;

/** The declared names of a schema. */
export type FieldName<S> = Exclude<keyof S & string, '*' | 'id'>;
/** The names of its vector fields. */
export type VectorName<S> =
  string extends FieldName<S>
    ? string
    : '*' extends keyof S
      ? [FieldName<S>] extends [never]
        ? string
        : VectorNameOf<S>
      : VectorNameOf<S>;
type VectorNameOf<S> = {
  [K in FieldName<S>]: S[K] extends VectorField ? K : never;
}[FieldName<S>];

/** Any key beside the declared ones, where the schema has `'*'`. */
type OtherKeys<S> = '*' extends keyof S ? { readonly [key: string]: unknown } : unknown;

/**
 * A document to write: an `id` (UTF-8, 1-512 bytes) and fields, each of which may be left out or
 * null. A key that the schema does not declare does not compile, unless the schema has `'*'`.
 */
export type DocumentInput<S> = { readonly id: string } & {
  readonly [K in FieldName<S>]?: FieldInput<S[K]> | null | undefined;
} & OtherKeys<S>;

/** A document as it is returned. Vector fields are there only where `select` asks for them. */
export type StoredDocument<S> = { id: string } & {
  [K in FieldName<S>]?: FieldOutput<S[K]> | null;
} & ('*' extends keyof S ? { [key: string]: unknown } : unknown);

/**
 * What is returned of documents: true: all fields but vectors (default); `'*'`: all fields, vectors
 * too; an array of keys: these, vectors where they are named; false: no documents.
 */
export type Select<S> = boolean | '*' | readonly SelectName<S>[];
export type SelectName<S> = '*' extends keyof S ? string : FieldName<S> | 'id';

/** The documents that a `select` returns. */
export type Selected<S, Sel> = [Sel] extends [false]
  ? undefined
  : Sel extends readonly (infer K)[]
    ? Pick<StoredDocument<S>, K & keyof StoredDocument<S>>
    : StoredDocument<S>;
