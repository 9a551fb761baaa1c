// veerdb/worker: a browser's worker that runs databases. Importing it is all that is needed.

import { browser } from './platform_browser.ts';
import { openFrom } from './worker_server.ts';

addEventListener('message', (event: MessageEvent) => void openFrom(browser, event.data));
