// Building elements. Text goes in as text: no markup is ever made from data.

export const $ = (id) => document.getElementById(id);

/**
 * An element: `el('button', {type: 'button', onclick}, 'Text', child)`. Properties that start with
 * `on` are listeners, those of the element are set, all others become attributes.
 */
export function el(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith('on')) element.addEventListener(name.slice(2), value);
    else if (name in element) element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined));
  return element;
}

/** Puts children in the place of those that are there. */
export function fill(element, ...children) {
  element.replaceChildren(...children.flat().filter((child) => child !== null));
}

/** Calls `body` once things have been quiet for a while. */
export function debounced(body, waitMs) {
  let timer;
  return (...args) => {
    clearTimeout(timer);
    timer = setTimeout(() => body(...args), waitMs);
  };
}
