// A passage as people read it: without its markup, and with the sentence closest to the query and the query's words
// marked. The service sends the text as it is stored; its markup is taken away here alone.

import { element } from "./dom.js";

const LONG = 380;
const BEFORE = 90;
const COMMON = new Set(
  `a about according all also an and any are as at be been between but by can could did do does for from had has have how i
  if in into is it its me my no not of on one or our says should so such than that the their them then there these they
  this those to was we were what when where which while who whom whose why will with without would you your`.split(/\s+/),
);
const WORD = /[\p{L}\p{N}_]+/gu;

const INLINE = [
  [/!?\[((?:[^[\]]|\[[^[\]]*\])*)\]\((?:[^()\s]|\([^()\s]*\))*(?:\s+"[^"]*")?\)/g, "$1"], // [text](target), ![text](target)
  [/(?<![\w:])(?::[a-zA-Z][\w.+-]*)+:`[~!]?([^`<>]+?)(?:\s*<[^`<>]*>)?`/g, "$1"], // :role:`text`
  [/`([^`<>]+?)(?:\s*<[^`<>\s]+>)?`__?(?!\w)/g, "$1"], // `text <target>`_
  [/^\s*(?:`{3,}|~{3,})[^\n`]*$/gm, ""], // fences of code
  [/(`{1,2})(?=[^\s`])([^`]+?)\1/g, "$2"],
  [/(?<![\w*\\])(\*{1,3})(?=[^\s*])([^*\n]+?)(?<=\S)\1(?![\w*])/g, "$2"], // *emphasis*
  [/(?<![\w_])__(?=[^\s_])([^_\n]+ [^_\n]+)(?<=\S)__(?![\w_])/g, "$1"],
];
const HEADING = /^#{1,6}\s+(?=\S)(.*?)(?:\s+#+)?$/;
const BULLET = /^(\s*)[*+-]\s+(?=\S)/;
const RULE = /^\s*(?:([=\-~^#*+_])\1{2,}|(["'.:])\2{3,}|={2,}(?: +={2,})+|\+(?:[-=]+\+)+)\s*$/;
const ROW = /^\s*\|.*\|\s*$/;
const TABLE_RULE = /^\s*\|?(?:\s*:?-{3,}:?\s*\|)+(?:\s*:?-{3,}:?)?\s*$/;

/** The text without the markup of Markdown and reStructuredText; HTML stays, as text. */
export function plain(text) {
  const inline = INLINE.reduce((left, [markup, words]) => left.replace(markup, words), text);
  return inline.split("\n").map(line).join("\n").replace(/\n{3,}/g, "\n\n").trim();
}

function line(text) {
  if (RULE.test(text) || TABLE_RULE.test(text)) return "";
  if (ROW.test(text)) return text.split("|").map((cell) => cell.trim()).filter(Boolean).join(" · ");
  return text.replace(HEADING, "$1").replace(BULLET, "$1• ");
}

/** The nodes of a passage in full. */
export function whole(text, evidence, query) {
  const shown = plain(text);
  return marked(shown, position(shown, plain(evidence ?? "")), stems(query));
}

/** The nodes of its part around the evidence. */
export function snippet(text, evidence, query) {
  const flat = plain(text).replace(/\s+/g, " ");
  const [from, to] = position(flat, plain(evidence ?? "")) ?? [0, 0];
  let start = flat.length <= LONG || from <= BEFORE ? 0 : flat.indexOf(" ", from - BEFORE) + 1;
  if (start > from) start = from;
  let end = Math.max(to, start + LONG);
  if (end >= flat.length) end = flat.length;
  else if (end > to) end = Math.max(to, flat.lastIndexOf(" ", end));
  const shown = marked(flat.slice(start, end), from < to ? [from - start, to - start] : null, stems(query));
  return [...(start > 0 ? ["… "] : []), ...shown, ...(end < flat.length ? [" …"] : [])];
}

/** [start, end) of the evidence in a text, whatever the white space; null if it is not there. */
function position(text, evidence) {
  const words = evidence.trim().split(/\s+/).filter(Boolean);
  if (!words.length) return null;
  const match = new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\/-]/g, "\\$&")).join("\\s+")).exec(text);
  return match && [match.index, match.index + match[0].length];
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
  for (const match of text.matchAll(WORD)) {
    if (!wanted.has(stem(match[0]))) continue;
    nodes.push(text.slice(done, match.index), element("b", {}, match[0]));
    done = match.index + match[0].length;
  }
  nodes.push(text.slice(done));
  return nodes;
}

function stems(query) {
  const rare = (query.match(WORD) ?? []).map((word) => word.toLowerCase()).filter((word) => !COMMON.has(word));
  return new Set(rare.map(stem));
}

/** Near enough for marking; the service ranks by stems of its own. */
function stem(word) {
  const lower = word.toLowerCase();
  return lower.length > 4 ? lower.replace(/(?:ing|ed|es|s|e)$/, "") : lower.replace(/(?<=..)s$/, "");
}
