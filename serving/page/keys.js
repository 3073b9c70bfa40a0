// The keyboard: to the query, between results, into an account. Typing in a field is left alone, but for a ? in an empty
// query box.

import { byId } from "./dom.js";

const FIELDS = "input, textarea, select, [contenteditable]";

export function listen() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    const action = event.target.matches(FIELDS) ? inQuery(event) : anywhere(event.key);
    if (action) {
      event.preventDefault();
      action();
    }
  });
}

function inQuery({ key, target }) {
  if (target.id !== "query") return null;
  const help = target.value ? {} : { "?": () => byId("help").showModal() };
  return { ArrowDown: () => move(1), Escape: () => target.blur(), ...help }[key];
}

function anywhere(key) {
  return {
    "/": () => byId("query").select(),
    "?": () => byId("help").showModal(),
    j: () => move(1),
    ArrowDown: () => move(1),
    k: () => move(-1),
    ArrowUp: () => move(-1),
    e: () => current()?.querySelector(".toggle").click(),
  }[key];
}

function results() {
  return [...document.querySelectorAll("#hits article")];
}

function current() {
  return document.activeElement.closest("#hits article") ?? results()[0];
}

/** To the next or the previous result; before the first one is the query. */
function move(step) {
  const all = results();
  const place = all.indexOf(document.activeElement.closest("#hits article")) + step;
  if (place < 0) byId("query").select();
  else all[Math.min(place, all.length - 1)]?.focus();
}
