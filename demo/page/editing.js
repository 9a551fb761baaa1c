// Adding and deleting a paragraph. There is no model on this page that could make a vector of a
// new text, so a new paragraph takes the vector of the examples; the form says so.

import { $, el, fill } from './dom.js';
import { guarded, tell } from './errors.js';

const place = ({ president, year }) => `${president}, ${year}`;

export class Editing {
  #library;
  #catalog;
  #search;
  #onChange;

  constructor(library, catalog, search, onChange) {
    this.#library = library;
    this.#catalog = catalog;
    this.#search = search;
    this.#onChange = onChange;
    $('add').addEventListener('click', () => this.#open());
    $('add-cancel').addEventListener('click', () => $('add-dialog').close());
    $('add-form').addEventListener('submit', (event) => {
      event.preventDefault();
      this.#add();
    });
  }

  #open() {
    const { examples } = this.#search;
    $('add-vector').textContent =
      examples.length === 1
        ? `It gets a copy of the vector of “${place(examples[0])}”, the paragraph that you are looking at.`
        : `It gets the mean of the vectors of the ${examples.length} examples that you have chosen.`;
    const presidents = this.#catalog.presidents({ from: -Infinity, to: Infinity });
    fill(
      $('known-presidents'),
      presidents.map(({ name }) => el('option', { value: name })),
    );
    const [{ president, year }] = examples;
    $('add-president').value ||= president;
    $('add-year').value ||= year;
    $('add-dialog').showModal();
    $('add-text').focus();
  }

  #add = guarded('Adding the paragraph', async () => {
    const president = $('add-president').value.trim();
    const year = Number($('add-year').value);
    const known = this.#catalog.of(president);
    const paragraph = {
      id: `added-${Date.now().toString(36)}`,
      president,
      party: known?.party ?? 'Nonpartisan',
      form: 'written',
      year,
      date: String(year).padStart(4, '0'),
      title: `${president}, ${year}, added here`,
      text: $('add-text').value.trim(),
      embedding: this.#search.vector,
    };
    $('add-dialog').close();
    await this.#library.put(paragraph);
    $('add-text').value = '';
    this.#catalog.put(paragraph);
    await this.#onChange();
    tell('Added, and searchable at once.', {
      label: 'More like it',
      run: guarded('Searching', () => this.#search.from([paragraph.id])),
    });
  });

  /** Deletes at once; the message offers to put it back. */
  delete = guarded('Deleting the paragraph', async (id) => {
    const [paragraph] = await this.#library.get([id]);
    await this.#library.delete(id);
    this.#catalog.delete(id);
    await this.#onChange();
    if (!paragraph) return;
    tell(`Deleted: ${place(paragraph)}.`, {
      label: 'Undo',
      run: guarded('Putting it back', async () => {
        await this.#library.put({ ...paragraph, id });
        this.#catalog.put({ ...paragraph, id });
        await this.#onChange();
      }),
    });
  });
}
