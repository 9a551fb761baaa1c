// How failures look.

/** The stable name of a failure; the table is VEER_STATUS_MAP in veer.h. */
export type VeerErrorCode =
  | 'NOMEM'
  | 'INVALID'
  | 'DIMENSION'
  | 'VECTOR'
  | 'ID'
  | 'TYPE'
  | 'OPTION'
  | 'FIELD'
  | 'SYNTAX'
  | 'RANGE'
  | 'SCHEMA'
  | 'MODEL'
  | 'EXISTS'
  | 'NOTFOUND'
  | 'BUSY'
  | 'READONLY'
  | 'CLOSED'
  | 'ABORTED'
  | 'IO'
  | 'FULL'
  | 'PERMISSION'
  | 'CORRUPT'
  | 'FORMAT'
  | 'VERSION'
  | 'LIMIT'
  | 'UNSUPPORTED'
  | 'INTERNAL';

/**
 * A failure that the engine, the storage or the loader reports. Arguments of a wrong JavaScript
 * type or outside of their range are TypeError and RangeError instead, with the properties `field`
 * and `value`. A call that its `signal` cancelled throws the signal's reason.
 */
export declare class VeerError extends Error {
  override readonly name: 'VeerError';
  /** The stable name, for programs. */
  readonly code: VeerErrorCode;
  /** The number in veer.h: negative. */
  readonly status: number;
  /** Of a bulk write: how many documents its earlier batches have written durably. */
  readonly written?: number;
  constructor(code: VeerErrorCode, message: string, options?: VeerErrorOptions);
}

export interface VeerErrorOptions extends ErrorOptions {
  readonly written?: number;
}
