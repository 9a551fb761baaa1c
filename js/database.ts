// A database, over the commands of an engine.

import type { Collection } from '../types/collection.d.ts';
import type {
  CollectionInfo,
  CollectionOptions,
  Database,
  RecoveryReport,
  Stats,
  TransactionPart,
  TransactionResult,
} from '../types/database.d.ts';
import type { LongCall } from '../types/options.d.ts';
import type { AnySchema, Schema } from '../types/schema.d.ts';
import type { Snapshot } from '../types/snapshot.d.ts';
import { string } from './arguments.ts';
import { HeldCollection } from './collection.ts';
import type { Engine, WireOperation } from './commands.ts';
import { asyncDisposeSymbol } from './dispose.ts';
import { VeerError, rangeError, typeError } from './errors.ts';
import { LeakNet } from './leaks.ts';
import { knownFields, schemaText } from './schema.ts';
import { HeldSnapshot } from './snapshot.ts';

const leaks = new LeakNet<Engine>('a database was not closed; call close()', (engine) => {
  engine.close().catch(() => {});
});

export class HeldDatabase implements Database {
  readonly location: string;
  readonly #engine: Engine;

  constructor(engine: Engine, location: string) {
    this.#engine = engine;
    this.location = location;
    leaks.watch(this, engine);
  }

  collection<const S extends Schema>(
    name: string,
    schema: S,
    options?: CollectionOptions<S>,
  ): Promise<Collection<S>>;
  collection(name: string): Promise<Collection<AnySchema>>;
  async collection(
    name: string,
    schema?: Schema,
    options: { readonly orderBy?: string | undefined } = {},
  ): Promise<unknown> {
    string('name', name);
    const text = schema === undefined ? undefined : schemaText(schema, options.orderBy);
    const opened = await this.#engine.call('collectionOpen', { name, schema: text });
    const known = knownFields(opened.schema);
    return new HeldCollection<Schema>(this, this.#engine, name, opened.handle, known);
  }

  async collections(): Promise<CollectionInfo[]> {
    return JSON.parse(await this.#engine.call('collections', {})) as CollectionInfo[];
  }

  async drop(name: string): Promise<void> {
    await this.#engine.call('collectionDrop', { name: string('name', name) });
  }

  async transaction<const T extends readonly Schema[]>(
    parts: readonly [...{ [I in keyof T]: TransactionPart<T[I]> }],
  ): Promise<TransactionResult> {
    if (!Array.isArray(parts)) throw typeError('parts', parts, 'an array');
    const operations = parts.map((part: unknown, i) => this.#operation(part, `parts[${i}]`));
    if (operations.length === 0) throw rangeError('parts.length', 0, 'at least 1');
    return this.#engine.call('write', { operations });
  }

  #operation(part: unknown, place: string): WireOperation {
    const given = (part ?? {}) as Partial<Record<string, unknown>>;
    const { collection } = given;
    if (!(collection instanceof HeldCollection)) {
      throw typeError(`${place}.collection`, collection, 'what db.collection() gives');
    }
    if (!collection.isOf(this.#engine)) {
      throw new VeerError('INVALID', `${place}.collection is of another database`);
    }
    const kinds = ['upsert', 'insert', 'delete'].filter((kind) => given[kind] !== undefined);
    if (kinds.length !== 1) {
      throw typeError(place, part, 'an object with one of upsert, insert and delete');
    }
    if (kinds[0] === 'delete') return collection.deletion(given['delete'] as readonly string[]);
    return collection.writing(kinds[0] === 'insert', given[kinds[0]!] as readonly unknown[]);
  }

  async snapshot(): Promise<Snapshot> {
    return new HeldSnapshot(this, this.#engine, await this.#engine.call('snapshotOpen', {}));
  }

  async work(budgetMs = 8): Promise<boolean> {
    if (typeof budgetMs !== 'number' || Number.isNaN(budgetMs)) {
      throw typeError('budgetMs', budgetMs, 'a number');
    }
    return this.#engine.call('work', { budgetMs });
  }
  async checkpoint(options?: LongCall): Promise<void> {
    await this.#engine.call('checkpoint', {}, options);
  }
  async optimize(options?: LongCall): Promise<void> {
    await this.#engine.call('optimize', {}, options);
  }
  async compact(options?: LongCall): Promise<void> {
    await this.#engine.call('compact', {}, options);
  }
  async stats(): Promise<Stats> {
    return JSON.parse(await this.#engine.call('stats', {})) as Stats;
  }
  async recovery(): Promise<RecoveryReport> {
    return JSON.parse(await this.#engine.call('recovery', {})) as RecoveryReport;
  }

  async backup(location: string, options?: LongCall): Promise<void> {
    await this.#engine.call('backup', { location: string('location', location) }, options);
  }

  async export(options?: LongCall): Promise<ReadableStream<Uint8Array>> {
    const handle = await this.#engine.call('exportOpen', {}, options);
    const close = (): Promise<void> => this.#engine.call('exportClose', { handle });
    return new ReadableStream<Uint8Array>({
      pull: async (controller) => {
        const piece = await this.#engine.call('exportNext', { handle });
        if (piece) return controller.enqueue(piece);
        await close();
        controller.close();
      },
      cancel: close,
    });
  }

  async close(): Promise<void> {
    leaks.forget(this);
    await this.#engine.close();
  }
  [asyncDisposeSymbol](): Promise<void> {
    return this.close();
  }
}
