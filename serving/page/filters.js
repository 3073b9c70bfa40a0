// The attributes of the documents to filter by, and the filters that are set.

import { byId, element } from "./dom.js";

const FEW = 6;
const MATCHES = 12;
const count = new Intl.NumberFormat("en");

/** Show every attribute with its most frequent values; `choose(name, value)` is called when one is picked. */
export function showAttributes(attributes, choose) {
  const shown = attributes.map((attribute) => group(attribute, choose));
  byId("attributes").replaceChildren(
    ...(shown.length ? shown : [element("p", { class: "note" }, "The documents have no attributes.")]),
  );
}

/** The filters that are set, as chips; `remove(name)` is called when one is removed. */
export function showActive(filters, remove) {
  const dropped = (name) => {
    remove(name);
    (byId("active").querySelector("button") ?? byId("status")).focus(); // the chip that had the focus is gone
  };
  const chips = [...filters].map(([name, value]) =>
    element(
      "li",
      {},
      element(
        "button",
        { type: "button", "aria-label": `Remove filter ${name}: ${value}`, onclick: () => dropped(name) },
        element("i", {}, name),
        ` ${value} `,
        element("span", { "aria-hidden": "true" }, "×"),
      ),
    ),
  );
  byId("active").replaceChildren(...chips);
  for (const button of document.querySelectorAll("#attributes button")) {
    button.setAttribute("aria-pressed", String(filters.get(button.dataset.name) === button.dataset.value));
  }
}

function group({ name, distinct, values }, choose) {
  const frequent = Object.entries(values).sort(([, left], [, right]) => right - left);
  const list = element("ul", {});
  const show = (typed) => {
    const wanted = typed.toLowerCase();
    const matches = frequent.filter(([value]) => value.toLowerCase().includes(wanted)).slice(0, typed ? MATCHES : FEW);
    const items = matches.map(([value, documents]) => element("li", {}, pick(name, value, choose, count.format(documents))));
    if (typed && distinct > frequent.length && !Object.hasOwn(values, typed)) {
      items.push(element("li", {}, pick(name, typed, choose, "as typed")));
    }
    list.replaceChildren(...(items.length ? items : [element("li", { class: "note" }, "no value contains this")]));
  };
  show("");
  const finder = element("input", { type: "search", "aria-label": `Find a value of ${name}`, placeholder: `find in ${count.format(distinct)}`, autocomplete: "off" });
  finder.addEventListener("input", () => show(finder.value.trim()));
  return element(
    "details",
    { open: distinct > 1 && frequent[0][1] > 1 },
    element("summary", {}, element("h3", {}, name), " ", element("span", { class: "note", title: "values" }, count.format(distinct))),
    distinct > FEW ? finder : null,
    list,
  );
}

function pick(name, value, choose, note) {
  return element(
    "button",
    { type: "button", "aria-pressed": "false", "data-name": name, "data-value": value, onclick: () => choose(name, value) },
    element("span", {}, value),
    " ",
    element("span", { class: "note" }, note),
  );
}
