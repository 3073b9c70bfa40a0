// Which parts of a passage are marked: the sentence closest to the query, and the query's words.

import { element } from "./dom.js";

const LONG = 380;
const BEFORE = 90;
const COMMON = new Set(
  `a about according all also an and any are as at be been between but by can could did do does for from had has have how i
  if in into is it its me my no not of on one or our says should so such than that the their them then there these they
  this those to was we were what when where which while who whom whose why will with without would you your`.split(/\s+/),
);
const WORD = /[\p{L}\p{N}_]+/gu;

/** The nodes of a passage in full. */
export function whole(text, evidence, query) {
  return marked(text, place(text, evidence), stems(query));
}

/** The nodes of its part around the evidence. */
export function snippet(text, evidence, query) {
  const flat = text.replace(/\s+/g, " ").trim();
  const [from, to] = place(flat, evidence) ?? [0, 0];
  let start = flat.length <= LONG || from <= BEFORE ? 0 : flat.indexOf(" ", from - BEFORE) + 1;
  if (start > from) start = from;
  let end = Math.max(to, start + LONG);
  if (end >= flat.length) end = flat.length;
  else if (end > to) end = Math.max(to, flat.lastIndexOf(" ", end));
  const shown = marked(flat.slice(start, end), from < to ? [from - start, to - start] : null, stems(query));
  return [...(start > 0 ? ["… "] : []), ...shown, ...(end < flat.length ? [" …"] : [])];
}

/** [start, end) of the evidence in a text, whatever the white space; null where it is not. */
function place(text, evidence) {
  const words = (evidence ?? "").trim().split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  const found = new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&")).join("\\s+")).exec(text);
  return found && [found.index, found.index + found[0].length];
}

function marked(text, evidence, wanted) {
  if (!evidence) return words(text, wanted);
  const [from, to] = evidence;
  return [
    ...words(text.slice(0, from), wanted),
    element("mark", {}, ...words(text.slice(from, to), wanted)),
    ...words(text.slice(to), wanted),
  ];
}

function words(text, wanted) {
  const nodes = [];
  let done = 0;
  for (const found of text.matchAll(WORD)) {
    if (!wanted.has(stem(found[0]))) continue;
    nodes.push(text.slice(done, found.index), element("b", {}, found[0]));
    done = found.index + found[0].length;
  }
  nodes.push(text.slice(done));
  return nodes;
}

function stems(query) {
  const found = (query.match(WORD) ?? []).map((word) => word.toLowerCase()).filter((word) => !COMMON.has(word));
  return new Set(found.map(stem));
}

/** Near enough for marking; the ranker's own stems are the service's. */
function stem(word) {
  const lower = word.toLowerCase();
  return lower.length > 4 ? lower.replace(/(?:ing|ed|es|s|e)$/, "") : lower.replace(/(?<=..)s$/, "");
}
