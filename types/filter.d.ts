// Filters: one language in two spellings.

import type { BoolField, KeywordField, NumberField, TimeField } from './schema.js';

/** A value of a filter's `?`. */
export type Parameter = null | boolean | number | string | Date | readonly Parameter[];

type FilterValue<F> = F extends KeywordField
  ? string
  : F extends NumberField
    ? number
    : F extends BoolField
      ? boolean
      : F extends TimeField
        ? Date | string | number
        : never;

interface Comparison<V> {
  readonly $eq?: V;
  readonly $ne?: V;
  readonly $gt?: V;
  readonly $gte?: V;
  readonly $lt?: V;
  readonly $lte?: V;
  readonly $in?: readonly V[];
  readonly $nin?: readonly V[];
  /** Whether the field has a value. */
  readonly $exists?: boolean;
  readonly $not?: Comparison<V>;
}
interface ManyValued<V> {
  readonly $contains?: V;
  readonly $containsAny?: readonly V[];
  readonly $containsAll?: readonly V[];
}

/** What may be asked of one field. */
export type Condition<F> = F extends KeywordField
  ? string | (Comparison<string> & ManyValued<string>)
  : FilterValue<F> | Comparison<FilterValue<F>>;

/** The names that can be filtered by: keyword, number, bool and time fields. */
export type FilterName<S> = {
  [K in keyof S & string]: S[K] extends KeywordField | NumberField | BoolField | TimeField
    ? K
    : never;
}[keyof S & string];

/** `{tag: 'x', year: {$gte: 2020}, $or: [...]}`: all of the conditions hold. */
export type FilterObject<S> = {
  readonly [K in FilterName<S>]?: Condition<S[K]>;
} & {
  readonly $and?: readonly FilterObject<S>[];
  readonly $or?: readonly FilterObject<S>[];
  readonly $nor?: readonly FilterObject<S>[];
  readonly $not?: FilterObject<S>;
} & ('*' extends keyof S ? { readonly [name: string]: unknown } : unknown);

/**
 * A filter as an object, or as text: `tag = 'x' AND year >= ? AND NOT (draft = true)`, whose `?`
 * take the values of `parameters`.
 */
export type Filter<S> = string | FilterObject<S>;
