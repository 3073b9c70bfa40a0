// The answer as a list: passages with their marks, their account on demand, and a judgment of each.

import { call } from "./api.js";
import { bar, element, icon } from "./dom.js";
import { snippet, whole } from "./marking.js";
import { SHARE, figure, why } from "./why.js";

const LONGEST_VALUE = 80;
const FRESH = "This passage came after the last training. It is still found, by what the model has learned from the others.";

/** List items, one for each hit. `answer` is the service's answer together with the query. */
export function hits(answer) {
  return answer.hits.map((hit) => item(hit, answer));
}

function item(hit, answer) {
  const [value, what] = figure(answer.mode, hit.score);
  const title = `hit-${hit.rank}`;
  const panel = element("div", { id: `why-${hit.rank}`, class: "why", hidden: true });
  const text = element("p", {}, ...snippet(hit.text, hit.evidence, answer.query));
  const toggle = element("button", { type: "button", class: "quiet toggle", "aria-expanded": "false", "aria-controls": panel.id }, "Why");
  toggle.addEventListener("click", () => {
    const open = toggle.getAttribute("aria-expanded") !== "true";
    panel.replaceChildren(...(open ? why(hit, answer) : []));
    panel.hidden = !open;
    text.classList.toggle("whole", open);
    text.replaceChildren(...(open ? whole : snippet)(hit.text, hit.evidence, answer.query));
    toggle.setAttribute("aria-expanded", String(open));
  });
  const score = element("p", { class: "score", title: answer.mode === "dense" ? null : SHARE }, element("strong", {}, value), ` ${what}`, answer.mode === "dense" ? null : bar(hit.score));
  const article = element(
    "article",
    { tabindex: "-1", "aria-labelledby": title },
    element("h3", { id: title }, element("span", { class: "rank" }, `${hit.rank}`), " ", hit.title || hit.doc_id),
    score,
    about(hit),
    text,
    element("div", { class: "row" }, toggle, ...judging(hit, answer)),
    panel,
  );
  return element("li", {}, article);
}

function about(hit) {
  const section = hit.section && hit.section !== hit.title ? [element("span", {}, hit.section)] : [];
  const metadata = Object.entries(hit.metadata)
    .filter(([, value]) => value.length < LONGEST_VALUE && value !== hit.title)
    .map(([name, value]) => element("span", {}, element("i", {}, name), ` ${value}`));
  const label = hit.label ? [element("code", {}, hit.label)] : [];
  const fresh = hit.state === "fresh" ? [badge("fresh", FRESH)] : [];
  const relaxed = (hit.relaxed ?? []).map((name) =>
    badge(`without ${name}`, `The query asks for ${name}. No passage that may be shown has it, so this constraint was given up.`),
  );
  return element("p", { class: "about" }, ...label, ...section, ...metadata, ...fresh, ...relaxed);
}

/** A calm label: it says something about a hit, and nothing is wrong. */
function badge(text, title) {
  return element("span", { class: "badge", title }, text);
}

function judging(hit, answer) {
  const note = element("span", { class: "note", role: "status" });
  const buttons = [["good", "Relevant"], ["poor", "Not relevant"]].map(([name, title]) =>
    element("button", { type: "button", class: "quiet thumb", "aria-label": title, title, "aria-pressed": "false" }, icon(name)),
  );
  buttons.forEach((button, position) =>
    button.addEventListener("click", async () => {
      note.textContent = "";
      const judgment = { query: answer.query, doc_id: hit.doc_id, relevant: position === 0, request_id: answer.request_id };
      try {
        await call("POST", "v1/feedback", judgment);
        buttons.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
        note.textContent = "Kept. It counts once a person accepts it.";
      } catch (error) {
        note.textContent = `Not kept: ${error.message}`;
      }
    }),
  );
  return [...buttons, note];
}
