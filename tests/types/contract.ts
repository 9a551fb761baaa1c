// The contract in types/ and the code in js/ fit each other, in both directions and for every
// entry of the package: what one exports the other has, with types that can stand for each other.

import * as browser from '../../js/index.ts';
import * as node from '../../js/index_node.ts';
import * as workerd from '../../js/index_workerd.ts';
import type * as contract from '../../types/index.js';

/** Compiles only where A can stand for B. */
type Fits<A extends B, B> = A;
/** Compiles only where neither has a name that the other lacks. */
type SameNames<A, B> = [Exclude<keyof A, keyof B>, Exclude<keyof B, keyof A>];
type None = [never, never];

export type CodeFitsContract = [
  Fits<typeof browser, typeof contract>,
  Fits<typeof node, typeof contract>,
  Fits<typeof workerd, typeof contract>,
];
export type ContractFitsCode = [
  Fits<typeof contract, typeof browser>,
  Fits<typeof contract, typeof node>,
  Fits<typeof contract, typeof workerd>,
];
export type NamesAreTheSame = [
  Fits<SameNames<typeof browser, typeof contract>, None>,
  Fits<SameNames<typeof node, typeof contract>, None>,
  Fits<SameNames<typeof workerd, typeof contract>, None>,
];

// The classes behind the interfaces, which no export names.
import { HeldCollection } from '../../js/collection.ts';
import { HeldDatabase } from '../../js/database.ts';
import { HeldQuery, HeldSnapshot } from '../../js/snapshot.ts';

type Notes = { embedding: contract.VectorField; tag: contract.KeywordField };
export type ClassesFitContract = [
  Fits<HeldDatabase, contract.Database>,
  Fits<HeldCollection<Notes>, contract.Collection<Notes>>,
  Fits<HeldSnapshot, contract.Snapshot>,
  Fits<HeldQuery<undefined>, contract.PreparedQuery<undefined>>,
];

// The codes of VeerError: the table of js/errors.ts has exactly those of the contract.
import { statusOf } from '../../js/errors.ts';
export type CodesAreTheSame = Fits<
  SameNames<typeof statusOf, Record<contract.VeerErrorCode, number>>,
  None
>;
