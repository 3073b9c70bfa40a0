// The state of a search as the page's address: ?q=QUERY&mode=MODE&f.NAME=VALUE, so that it can be linked and gone back to.

const MODES = ["hybrid", "generative", "lexical", "dense"];

/** {query, mode ("" for the release's own), filters (a Map)} of the address. */
export function read() {
  const given = new URLSearchParams(location.search);
  const mode = given.get("mode") ?? "";
  const filters = [...given].filter(([name]) => name.startsWith("f.")).map(([name, value]) => [name.slice(2), value]);
  return { query: given.get("q") ?? "", mode: MODES.includes(mode) ? mode : "", filters: new Map(filters) };
}

/** A new entry in the history, unless the address says this already. */
export function write({ query, mode, filters }) {
  const told = new URLSearchParams();
  if (query) told.set("q", query);
  if (mode) told.set("mode", mode);
  for (const [name, value] of filters) told.set(`f.${name}`, value);
  const wanted = told.size ? `?${told}` : "";
  if (wanted !== location.search) history.pushState(null, "", wanted || location.pathname);
}
