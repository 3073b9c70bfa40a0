// The search page: the address holds the search, the service answers it, and the page shows both.

import * as address from "./address.js";
import { call } from "./api.js";
import { byId, element } from "./dom.js";
import { showActive, showAttributes } from "./filters.js";
import { showGuide } from "./guide.js";
import { hits } from "./hits.js";
import * as keys from "./keys.js";
import { made, showRelease } from "./release.js";
import * as token from "./token.js";

const SLOW = 150;
const HITS = 10;
let state = address.read();
let release; // undefined until the service has answered, null if it refused
let attributes = [];
let running = new AbortController();

/** Take a changed state: into the address, onto the page, to the service. */
function change(changes) {
  state = { ...state, ...changes };
  address.write(state);
  restore();
}

/** Make the page say what the state says, and search. */
function restore() {
  byId("query").value = state.query;
  document.querySelector(`input[name=mode][value="${state.mode}"]`).checked = true;
  document.title = state.query ? `${state.query} · genret search` : "genret search";
  showActive(state.filters, unfilter);
  search();
}

function filter(name, value) {
  if (state.filters.get(name) === value) unfilter(name);
  else change({ query: typed(), filters: new Map(state.filters).set(name, value) });
}

function unfilter(name) {
  const left = new Map(state.filters);
  left.delete(name);
  change({ query: typed(), filters: left });
}

function typed() {
  return byId("query").value.trim();
}

async function search() {
  running.abort();
  running = new AbortController();
  const { signal } = running;
  const { query, mode, filters } = state;
  if (!query) return showEmpty();
  byId("guide").replaceChildren();
  const section = byId("hits").parentElement;
  section.setAttribute("aria-busy", "true");
  const slow = setTimeout(() => say("Searching …"), SLOW);
  const request = { query, k: HITS, mode: mode || null, filters: Object.fromEntries(filters), explain: true };
  try {
    const answer = { query, ...(await call("POST", "v1/search", request, signal)) };
    if (!signal.aborted) show(answer);
  } catch (error) {
    if (!signal.aborted) showError(error);
  } finally {
    clearTimeout(slow);
    if (!signal.aborted) section.removeAttribute("aria-busy");
  }
}

function show(answer) {
  byId("hits").replaceChildren(...hits(answer));
  byId("reading").replaceChildren(...reading(answer));
  if (!answer.hits.length) return say(...nothing(answer.mode));
  const { total, encoder } = answer.seconds;
  const took = `${milliseconds(total)} ms, ${milliseconds(encoder)} ms of it in the encoder`;
  say(`${answer.hits.length} ${answer.hits.length === 1 ? "passage" : "passages"} · ${answer.mode} · ${answer.release} · ${took}`);
  if (release !== undefined && release?.release !== answer.release) refreshRelease();
}

function milliseconds(seconds) {
  return Math.round(1000 * seconds);
}

/** How the query was read: each clause with its constraints, and what it only mentions. */
function reading(answer) {
  if (!answer.reading || answer.mode === "dense") return [];
  const { clauses, mentioned, dates } = answer.reading;
  const parts = clauses.map(({ text, constraints }) =>
    element("span", { class: "clause" }, text, ...Object.entries(constraints).map(([name, value]) => named(name, value))),
  );
  const soft = mentioned.length ? [element("span", {}, "mentions", ...mentioned.map(({ name, value }) => named(name, value)))] : [];
  const dated = dates.length ? [element("span", {}, `dated ${dates.join(", ")}`)] : [];
  return [element("p", { class: "note" }, "Read as ", ...[...parts, ...soft, ...dated].flatMap((part, position) => (position ? [" and ", part] : [part])))];
}

function named(name, value) {
  return element("span", { class: "named" }, element("i", {}, name), ` ${value}`);
}

function nothing(mode) {
  const lexical = mode === "lexical";
  const unfiltered = lexical ? "No passage shares a word with this query." : "No passage can be searched.";
  const filtered = lexical ? "No passage that passes the filters shares a word with this query." : "No passage passes the filters.";
  const advice = state.filters.size ? "Remove a filter, or ask for something else." : "Ask in other words, or in another mode.";
  return [element("strong", {}, state.filters.size ? filtered : unfiltered), ` ${advice}`];
}

function showEmpty() {
  byId("hits").replaceChildren();
  byId("reading").replaceChildren();
  const from = release ? `Answers come from release ${release.release}, made on ${made(release)}. ` : "";
  say(element("strong", {}, "Ask in your own words."), ` ${from}Press ? for the keys.`);
  showGuide(attributes, { begin, filter });
}

/** Put the beginning of a question into the query box, to be typed on. */
function begin(text) {
  byId("query").value = text;
  byId("query").focus();
}

function showError(error) {
  byId("hits").replaceChildren();
  byId("reading").replaceChildren();
  const again = element("button", { type: "button", class: "quiet", onclick: search }, "Try again");
  const request = error.requestId ? element("span", { class: "note" }, ` Request ${error.requestId}. `) : " ";
  say(element("strong", { class: "warn" }, "No answer."), ` ${sentence(error.message)}`, request, again);
}

function sentence(text) {
  const capitalised = text.charAt(0).toUpperCase() + text.slice(1);
  return /[.!?]$/.test(capitalised) ? capitalised : `${capitalised}.`;
}

function say(...parts) {
  byId("status").replaceChildren(...parts);
}

async function refreshRelease() {
  try {
    release = await showRelease();
    ({ attributes } = await call("GET", "v1/attributes"));
    showAttributes(attributes, filter);
    showActive(state.filters, unfilter);
    if (!state.query) showEmpty();
  } catch (error) {
    release = null;
    byId("attributes").replaceChildren(element("p", { class: "note" }, sentence(error.message)));
  }
}

byId("ask").addEventListener("submit", (event) => {
  event.preventDefault();
  const query = typed();
  if (query === state.query) search();
  else change({ query });
});
byId("ask").addEventListener("change", (event) => {
  if (event.target.name === "mode") change({ query: typed(), mode: event.target.value });
});
byId("open-help").addEventListener("click", () => byId("help").showModal());
byId("open-release").addEventListener("click", () => byId("release").showModal());
byId("no-token").addEventListener("click", () => byId("token").close());
byId("forget-token").addEventListener("click", token.forget);
addEventListener("popstate", () => {
  state = address.read();
  restore();
});
byId("filters").open = matchMedia("(min-width: 60rem)").matches;
keys.listen();
token.show();
restore();
refreshRelease();
