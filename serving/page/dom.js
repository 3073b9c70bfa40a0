// Makes elements. Text goes in as text nodes only, so nothing that a document or a query holds becomes markup.

export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === undefined || value === null) continue;
    if (name.startsWith("on")) made.addEventListener(name.slice(2), value);
    else made.setAttribute(name, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

export function byId(id) {
  return document.getElementById(id);
}

export function icon(name) {
  return byId(`icon-${name}`).content.cloneNode(true);
}

/** A bar as long as a share between 0 and 1; decoration beside a figure that says the same. */
export function bar(share) {
  const made = element("span", { class: "bar", "aria-hidden": "true" }, element("span"));
  made.firstChild.style.width = `${100 * Math.min(1, Math.max(0, share))}%`;
  return made;
}
