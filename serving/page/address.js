// The state of a search as the page's address: ?q=QUERY&mode=MODE&f.NAME=VALUE, so that it can be linked to and returned to.

const MODES = ["hybrid", "generative", "lexical", "dense"];

/** {query, mode ("" for the release's own), filters (a Map)} of the address. */
export function read() {
  const parameters = new URLSearchParams(location.search);
  const mode = parameters.get("mode") ?? "";
  const filters = [...parameters].filter(([name]) => name.startsWith("f.")).map(([name, value]) => [name.slice(2), value]);
  return { query: parameters.get("q") ?? "", mode: MODES.includes(mode) ? mode : "", filters: new Map(filters) };
}

/** A new entry in the history, unless the address says this already. */
export function write({ query, mode, filters }) {
  const parameters = new URLSearchParams();
  if (query) parameters.set("q", query);
  if (mode) parameters.set("mode", mode);
  for (const [name, value] of filters) parameters.set(`f.${name}`, value);
  const wanted = parameters.size ? `?${parameters}` : "";
  if (wanted !== location.search) history.pushState(null, "", wanted || location.pathname);
}
