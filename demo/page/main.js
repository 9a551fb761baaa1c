// The page: opens the database, loads the corpus on the first visit, and connects the parts.

import { $ } from './dom.js';
import { Bytes } from './bytes.js';
import { Catalog } from './catalog.js';
import { fetchCorpus } from './corpus.js';
import { Editing } from './editing.js';
import { guarded, inWords, showError } from './errors.js';
import { Filters } from './filters.js';
import { bytes, count } from './format.js';
import { Library } from './library.js';
import { Measure } from './measure.js';
import { showExamples, showResult } from './results.js';
import { Search } from './search.js';
import { StartPoints } from './start_points.js';
import { Transfer } from './transfer.js';

const library = new Library();
const catalog = new Catalog();
const search = new Search(library, {
  onResult: (result) => showResult(result, search, handlers),
  onError: (error) => showError(error, 'The search'),
  onBusy: (isBusy) => $('results').setAttribute('aria-busy', String(isBusy)),
});

const startFrom = guarded('Searching', async (ids, isFirst = false) => {
  if (await search.from(ids)) {
    showExamples(search, handlers);
    startPoints.mark(exampleIds());
    if (!isFirst) {
      // The button that was pressed is gone: the keyboard goes on at what is new.
      $('examples-title').focus({ preventScroll: true });
      $('example').scrollIntoView({ block: 'nearest' });
    }
  } else {
    showError(new Error('That paragraph is not in the database any more.'), 'Searching');
  }
});
const exampleIds = () => search.examples.map(({ id }) => id);

const handlers = {
  onMore: (id) => startFrom([id]),
  onAlso: (id) => startFrom([...exampleIds(), id]),
  onRemove: (id) => startFrom(exampleIds().filter((other) => other !== id)),
  async onDelete(id) {
    await editing.delete(id);
    $('results-title').focus({ preventScroll: true });
  },
};

const filters = new Filters(search, catalog, () => search.run());
const startPoints = new StartPoints(library, catalog, (id) => startFrom([id]));
const bytesPanel = new Bytes(library);
const editing = new Editing(library, catalog, search, async () => {
  showWhere();
  filters.refresh();
  search.run();
  await bytesPanel.refresh();
});
new Measure(library, catalog, search);
new Transfer(library, () => showAll());

function showWhere() {
  const kinds = { opfs: 'OPFS', idb: 'IndexedDB' };
  $('where').textContent = `${count(catalog.size)} paragraphs here, in ${kinds[library.kind]}`;
}

/** Reads the database and shows it, from a start of the page's own or from the same examples. */
async function showAll() {
  await catalog.read(library);
  showWhere();
  $('idb-note').hidden = library.kind !== 'idb';
  filters.refresh();
  startPoints.refresh();
  const there = exampleIds().filter((id) => catalog.get(id));
  const ids = there.length > 0 ? there : [startPoints.first].filter(Boolean);
  if (ids.length > 0) await startFrom(ids, true);
  await bytesPanel.refresh();
}

/** The first visit: the corpus comes in, with its progress. */
async function loadCorpus() {
  const leaving = new AbortController();
  addEventListener('pagehide', () => leaving.abort(), { once: true });
  $('loading').hidden = false;
  $('loading-title').textContent = 'Fetching the corpus';
  const corpus = await fetchCorpus((got, total) => {
    if (total === 0 || got > total) return;
    $('load-progress').value = (0.5 * got) / total;
    $('load-text').textContent = `${bytes(got)} of ${bytes(total)}`;
  });
  $('loading-title').textContent = 'Storing paragraphs';
  const started = performance.now();
  await library.load(corpus, {
    signal: leaving.signal,
    onProgress(done, total, before) {
      const rate = (1000 * (done - before)) / (performance.now() - started);
      $('load-progress').value = 0.5 + (0.5 * done) / total;
      $('load-text').textContent =
        `${count(done)} of ${count(total)} paragraphs` +
        (done > before ? `, ${count(rate)} a second` : '');
    },
  });
  $('loading').hidden = true;
}

/** Pages that cannot go on say why, and offer to try again. */
function showBlocked(error, tried) {
  console.error(error);
  const words = inWords(error, tried);
  $('loading').hidden = true;
  $('blocked-title').textContent =
    words.code === 'BUSY' ? 'This page is open in another tab' : words.title;
  $('blocked-said').textContent = words.said;
  $('blocked-advice').textContent = words.advice;
  $('blocked-reset').hidden = !['CORRUPT', 'FORMAT', 'VERSION', 'SCHEMA'].includes(words.code);
  $('blocked').hidden = false;
  $('blocked-retry').focus();
}

async function begin() {
  $('blocked').hidden = true;
  try {
    if (!library.isOpen) await library.open();
    if (!library.isComplete) await loadCorpus();
    $('app').hidden = $('contents').hidden = false;
    await showAll();
  } catch (error) {
    $('app').hidden = $('contents').hidden = true;
    const tried = library.isOpen ? 'Loading the corpus' : 'Opening the database';
    // Trying again opens it anew.
    await library.close().catch(() => {});
    showBlocked(error, tried);
  }
}

/** Page, package and module stay usable without a network. */
async function workOffline() {
  const show = () => {
    const isReady = navigator.serviceWorker?.controller != null;
    $('offline').textContent = navigator.onLine ? (isReady ? 'works offline' : '') : 'offline now';
    $('offline').hidden = $('offline').textContent === '';
  };
  addEventListener('online', show);
  addEventListener('offline', show);
  if (!navigator.serviceWorker) return;
  navigator.serviceWorker.addEventListener('controllerchange', show);
  show();
  await navigator.serviceWorker.register('sw.js');
}

$('blocked-retry').addEventListener('click', begin);
$('blocked-reset').addEventListener('click', () => $('reset-dialog').showModal());
// A page that is left lets go of the database, so that the next one need not wait.
addEventListener('pagehide', () => library.close().catch(() => {}));
addEventListener('pageshow', ({ persisted }) => persisted && location.reload());
addEventListener('unhandledrejection', ({ reason }) => showError(reason));

workOffline().catch((error) => showError(error, 'Preparing for offline use'));
await begin();
