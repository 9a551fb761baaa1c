// The results: what was asked, how long each step took, and a card for every paragraph.

import { $, el, fill } from './dom.js';
import { countOf, ms } from './format.js';

const place = ({ president, year }) => `${president}, ${year}`;

function actions(paragraph, prose, { onMore, onAlso, onDelete }) {
  const name = place(paragraph);
  const button = (label, does, className, title) =>
    el(
      'button',
      { type: 'button', className, title, ariaLabel: `${label}: ${name}`, onclick: does },
      label,
    );
  return el(
    'div',
    { className: 'actions' },
    button('More like this', () => onMore(paragraph.id), 'link strong'),
    button(
      'Also like this',
      () => onAlso(paragraph.id),
      'link',
      'Adds the paragraph to the examples; their mean is searched for',
    ),
    restOf(prose, name),
    button('Delete', () => onDelete(paragraph.id), 'link danger'),
  );
}

/** A button for the rest of a text that is cut. */
function restOf(prose, name) {
  const more = el(
    'button',
    { type: 'button', className: 'link more', ariaExpanded: 'false', hidden: true },
    'Read on',
  );
  more.ariaLabel = `Read on: ${name}`;
  more.addEventListener('click', () => {
    const isOpen = prose.classList.toggle('open');
    more.ariaExpanded = String(isOpen);
    more.textContent = isOpen ? 'Show less' : 'Read on';
  });
  return more;
}

/** Offers the rest of the texts that are cut. */
function offerRest(list) {
  for (const card of list.children) {
    const { scrollHeight, clientHeight } = card.querySelector('.prose');
    card.querySelector('.more').hidden = scrollHeight <= clientHeight + 1;
  }
}

function head({ president, year, party, form, id }) {
  const isAdded = id.startsWith('added-');
  const details = [party, form === 'speech' ? 'spoken' : form];
  return el(
    'header',
    {},
    el('h3', {}, president, ' ', el('span', { className: 'year' }, String(year))),
    el('p', { className: 'meta' }, details.filter(Boolean).join(' · ')),
    isAdded ? el('span', { className: 'tag' }, 'added here') : null,
  );
}

function card(hit, widest, handlers) {
  const paragraph = { ...hit.document, id: hit.id };
  const prose = el('p', { className: 'prose' }, paragraph.text ?? '');
  const bar = el('span', { className: 'fill' });
  bar.style.inlineSize = `${Math.max(2, (100 * hit.distance) / widest)}%`;
  const item = el(
    'li',
    { className: 'card' },
    head(paragraph),
    el(
      'div',
      { className: 'distance', title: 'Cosine distance: 0 is the same direction, 1 is unrelated' },
      el('span', { className: 'track', ariaHidden: 'true' }, bar),
      el('span', {}, 'distance ', hit.distance.toFixed(3)),
    ),
    prose,
    actions(paragraph, prose, handlers),
  );
  item.dataset.id = hit.id;
  return item;
}

/** What is searched for: the example, or the mean of several. */
export function showExamples(search, { onRemove }) {
  const { examples } = search;
  const one = examples.length === 1;
  $('examples-title').textContent = one ? 'More like' : `More like the mean of ${examples.length}`;
  const items = examples.map((paragraph) => {
    const prose = el('p', { className: 'prose' }, paragraph.text ?? '');
    return el(
      'li',
      { className: one ? 'example' : 'example short' },
      prose,
      el(
        'div',
        { className: 'meta' },
        place(paragraph),
        restOf(prose, place(paragraph)),
        one
          ? null
          : el(
              'button',
              {
                type: 'button',
                className: 'link',
                ariaLabel: `Leave out ${place(paragraph)}`,
                onclick: () => onRemove(paragraph.id),
              },
              'Leave out',
            ),
      ),
    );
  });
  fill($('examples'), items);
  offerRest($('examples'));
}

const names = {
  all: 'all rows',
  filter: 'filter',
  scan: '1-bit codes',
  rerank: 'rerank',
  compare: 'compare vectors',
  fetch: 'fetch texts',
};

/** The steps of the engine with what each took. */
function steps({ explain }) {
  return explain.operators
    .filter(({ operator }) => operator !== 'all')
    .map(({ operator, actual, ms: took }) =>
      el(
        'li',
        {},
        el('span', {}, names[operator] ?? operator),
        el('b', {}, ms(took)),
        el('span', { className: 'quiet-text' }, countOf(actual, 'row')),
      ),
    );
}

export function showResult(result, search, handlers) {
  const { hits, explain, pageMs, firstMs } = result;
  const engineMs = explain.operators.reduce((sum, { ms: took }) => sum + took, 0);
  $('engine-ms').textContent = ms(engineMs);
  const how = result.exact ? 'proved exact' : 'by 1-bit codes, then reranked';
  $('summary').textContent =
    hits.length === 0
      ? 'Nothing found.'
      : `The ${hits.length} nearest of ${countOf(explain.matches, 'paragraph')}, ${how}`;
  fill(
    $('timing'),
    steps(result),
    el('li', {}, el('span', {}, 'round trip'), el('b', { id: 'page-ms' }, ms(pageMs))),
    firstMs === undefined
      ? null
      : el('li', {}, el('span', {}, 'the first one, from storage'), el('b', {}, ms(firstMs))),
  );
  const widest = hits.at(-1)?.distance || 1;
  fill(
    $('results'),
    hits.map((hit) => card(hit, widest, handlers)),
  );
  offerRest($('results'));
  $('no-results').hidden = hits.length > 0;
}
