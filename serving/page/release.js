// The release that answers: what it is, when it was made, and how it did in its evaluation and at the gate.

import { call } from "./api.js";
import { byId, element } from "./dom.js";
import { percent } from "./why.js";

const LIMITED = "Not shown to a token that is limited by filters.";
const day = new Intl.DateTimeFormat("en-GB", { dateStyle: "long", timeStyle: "short", timeZone: "UTC" });

/** Ask for the releases, show the one that answers in the header and its dialog, and return it. */
export async function showRelease() {
  const answer = await call("GET", "v1/releases");
  const release = answer.releases.find((known) => known.release === answer.release);
  const open = byId("open-release");
  open.hidden = !release;
  if (!release) return null;
  open.textContent = `Release ${release.release}`;
  byId("release-account").replaceChildren(...account(release, answer));
  return release;
}

export function made(release) {
  return `${day.format(new Date(release.created_at))} UTC`;
}

function account(release, answer) {
  const others = answer.releases.filter((known) => known.release !== release.release).reverse();
  return [
    element("h2", { id: "release-title" }, `Release ${release.release}`),
    answer.refused ? element("p", { class: "warn" }, `${answer.refused.release} could not be loaded: ${answer.refused.why}`) : null,
    element(
      "dl",
      { class: "account" },
      ...fact("Made", made(release)),
      ...fact("Corpus", release.delta),
      ...fact("Aliases", release.aliases.join(", ") || "none"),
      ...fact("Content hash", element("code", {}, release.content_hash)),
    ),
    element("h3", {}, "Evaluation"),
    element("p", { class: "note" }, "As measured when it was made."),
    release.metrics ? figures(release.metrics) : element("p", {}, LIMITED),
    element("h3", {}, "Gate"),
    ...(release.gate === undefined ? [element("p", {}, LIMITED)] : gate(release.gate)),
    others.length ? element("h3", {}, "Other releases") : null,
    others.length ? element("ul", { class: "others" }, ...others.map(other)) : null,
  ].filter(Boolean);
}

function fact(name, value) {
  return [element("dt", {}, name), element("dd", {}, value)];
}

function figures(metrics) {
  const rows = Object.entries(metrics).map(([name, value]) =>
    element("tr", {}, element("th", { scope: "row" }, measure(name)), element("td", {}, percent(value))),
  );
  return rows.length ? element("table", {}, element("tbody", {}, ...rows)) : element("p", {}, "Nothing was measured.");
}

function measure(stored) {
  return stored.replace(/^heldout MRR/, "tuning MRR");
}

function gate(verdict) {
  if (!verdict) return [element("p", {}, "The gate never judged it.")];
  if (verdict.broken) return [element("p", { class: "warn" }, `${verdict.broken}.`)];
  const words = verdict.passed ? "It passed every criterion." : "It was refused, and promoted by a waiver.";
  return [
    element("p", { class: verdict.passed ? "note" : "warn" }, words),
    element("ul", { class: "criteria" }, ...verdict.criteria.map(criterion)),
  ];
}

function criterion({ name, passed, compared, told, value, bound }) {
  const outcome = compared === false ? "not compared" : passed ? "passed" : "refused";
  const figures = compared === false ? told : `${told}: ${value.toFixed(4)}, at least ${bound.toFixed(4)}`;
  return element(
    "li",
    {},
    element("strong", {}, name),
    element("span", { class: passed ? "note" : "warn" }, ` ${outcome}`),
    element("p", {}, figures),
  );
}

function other(release) {
  const facts = [made(release), release.delta, ...release.aliases, release.retired].filter(Boolean).join(" · ");
  return element("li", {}, element("strong", {}, release.release), ` ${facts}`);
}
