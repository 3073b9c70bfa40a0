// The account of a hit: its docid, its score, the constraints of the query, and its rank under each ranker.

import { bar, element } from "./dom.js";

const RANKERS = {
  labelled: "Labels",
  passage_whole: "Words of the passage",
  proximity: "Words near each other",
  generative_whole: "Model",
  generative_clause: "Model on a clause",
  neighbours_above: "Neighbours",
  dense: "Encoder",
};
/** What the score of every mode but dense is. */
export const SHARE =
  "The share of this hit in its clause: a softmax over the candidates of that clause. It compares hits of one query and does not say how often such answers are right.";
const SCORES = {
  hybrid: "words and model are weighed together",
  generative: "the model alone is asked",
  lexical: "words alone are weighed",
};
/** A score that fills its bar. */
const FULL = 10;
const LIMITED = "not shown to a token that is limited by filters";
const STATES = {
  learned: "learned: the model was trained on this passage",
  fresh: "fresh: it came after the last training, and its row comes from the map that all passages share",
};

export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  return `${(100 * share).toFixed(1)} %`;
}

/** The score as people read it, by mode: [figure, what it is]. */
export function figure(mode, score) {
  return mode === "dense" ? [score.toFixed(2), "cosine"] : [percent(score), "share of its clause"];
}

export function why(hit, answer) {
  const limited = hit.found_by === undefined;
  return [
    element(
      "dl",
      { class: "account" },
      ...row("Docid", hit.label ? element("code", {}, hit.label) : null, `number ${hit.docid}, ${STATES[hit.state]}`),
      ...row(...score(hit, answer.mode)),
      ...row("Constraints", limited ? LIMITED : constraints(hit, answer)),
      ...row("Found by", limited ? LIMITED : rankers(hit, answer.mode)),
      ...row("Document", element("code", {}, hit.doc_id)),
      ...related(hit),
    ),
  ];
}

function row(name, ...parts) {
  return [element("dt", {}, name), element("dd", {}, ...parts.filter(Boolean).flatMap((part) => [part, " "]))];
}

/** What stands near the hit, document by document. */
function related(hit) {
  const titles = new Map(hit.related.filter(({ doc_id }) => doc_id !== hit.doc_id).map((near) => [near.doc_id, near.title]));
  if (!titles.size) return [];
  const lines = [...titles].map(([id, title]) => element("li", {}, element("code", {}, id), title ? ` ${title}` : null));
  return row("Related", element("ul", {}, ...lines));
}

function score(hit, mode) {
  const [value] = figure(mode, hit.score);
  if (mode === "dense") return ["Cosine", `${value} between query and passage; it is not a probability`];
  return ["Share", `${value} of its clause; ${SCORES[mode]}. ${SHARE}`];
}

function constraints(hit, answer) {
  if (answer.mode === "dense") return "none are read in this mode; filters still apply";
  const detected = answer.reading.clauses.flatMap((clause) => Object.entries(clause.constraints));
  const names = [...new Set(detected.map(([name, value]) => `${name}=${value}`))];
  const honoured = names.filter((name) => {
    const value = name.slice(name.indexOf("=") + 1);
    return !hit.relaxed.includes(name) && hit.metadata[name.slice(0, name.indexOf("="))] === value;
  });
  const lines = [
    ...honoured.map((name) => `${name} was detected in the query, and holds`),
    ...hit.relaxed.map((name) => `${name} was detected in the query and given up: no passage that may be shown has it`),
    ...answer.reading.mentioned.map(({ name, value }) => `${name}=${value} is mentioned; hits that have it are preferred`),
    ...answer.reading.dates.map((day) => `${day} is named; hits of that day are preferred`),
    ...(answer.reading.left_out ? [`the query names ${answer.reading.left_out} more than a search takes into account`] : []),
  ];
  if (!lines.length) return names.length ? "those of another clause" : "none detected in the query";
  return element("ul", {}, ...lines.map((line) => element("li", {}, line)));
}

function rankers(hit, mode) {
  const rows = Object.entries(hit.found_by).map(([name, by]) =>
    element(
      "tr",
      {},
      element("th", { scope: "row" }, RANKERS[name] ?? name),
      element("td", {}, `#${by.rank}`),
      element("td", {}, by.score.toFixed(2)),
      element("td", {}, bar(mode === "dense" ? by.score : by.score / FULL)),
    ),
  );
  const heads = ["Ranker", "Rank", "Score", ""].map((head) => element("th", { scope: "col" }, head));
  const table = element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows));
  const note =
    mode === "dense"
      ? "The score is the cosine."
      : "A score says by how many standard deviations the passage stands above the mean of the ranker's 1,000 best.";
  const raised = hit.raised_by ? element("p", {}, "Raised by ", element("code", {}, hit.raised_by), ", its neighbour.") : null;
  return element("div", {}, table, raised, element("p", { class: "note" }, note));
}
