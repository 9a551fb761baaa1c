// veerdb/worker in Node, Deno and Bun: a worker of node:worker_threads that runs databases.

import { parentPort } from 'node:worker_threads';

import { node } from './platform_node.ts';
import { openFrom } from './worker_server.ts';

parentPort?.on('message', (data: unknown) => void openFrom(node, data));
