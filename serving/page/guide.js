// The page before anything is asked: forms of a question, attributes with values to try, and what each mode does.

import { byId, element } from "./dom.js";

const ATTRIBUTES = 4;
const VALUES = 3;
const LONGEST = 40;
const MODES = [
  ["Default", "the mode in which this release answers unless you choose another"],
  ["Hybrid", "words and model, weighed against each other"],
  ["Generative", "the model alone"],
  ["Lexical", "words alone"],
  ["Dense", "the nearest passages by cosine"],
];

/** Show it. `begin(text)` starts a question, `filter(name, value)` sets a filter. */
export function showGuide(attributes, { begin, filter }) {
  const examples = attributes
    .map(({ name, values }) => [name, frequent(values)])
    .filter(([, values]) => values.length)
    .slice(0, ATTRIBUTES);
  const value = examples[0]?.[1][0];
  const forms = [
    form(begin, "how do I ", "a question, or a few words of what you remember"),
    value && form(begin, `according to ${value}, `, `only passages of ${value}; "${value}" in quotes does the same`),
    form(begin, "what happened on 3 May 2024 ", "a day: passages of that day come first"),
    form(begin, "who wrote the report, and when was it sent ", "two questions at once: each is searched by itself"),
  ].filter(Boolean);
  byId("guide").replaceChildren(
    ...entry("Ways to ask", ...forms),
    ...examples.flatMap(([name, values]) =>
      entry(`Filter by ${name}`, ...values.map((one) => button(one, () => filter(name, one), `Filter by ${name}: ${one}`))),
    ),
    ...entry("Modes", ...MODES.map(([name, note]) => element("div", {}, name, element("span", { class: "note" }, note)))),
  );
}

function frequent(values) {
  const short = Object.entries(values).filter(([value]) => value && value.length <= LONGEST);
  return short.sort(([, left], [, right]) => right - left).slice(0, VALUES).map(([value]) => value);
}

function form(begin, text, note) {
  return element("div", {}, button(`${text.trim()} …`, () => begin(text), `Ask: ${text.trim()}`), element("span", { class: "note" }, note));
}

function button(text, onclick, name) {
  return element("button", { type: "button", "aria-label": name, onclick }, text);
}

function entry(name, ...parts) {
  return [element("dt", {}, name), ...parts.map((part) => element("dd", {}, part))];
}
