// The token of a service that asks for one: in this tab's session storage, nowhere else.

import { byId } from "./dom.js";

const KEY = "genret-token";
let asking = null;

export function token() {
  return sessionStorage.getItem(KEY);
}

export function forget() {
  sessionStorage.removeItem(KEY);
  show();
}

/** Ask the person; true once there is a new token, false if there will be none. Whoever asks meanwhile shares the answer. */
export function askForToken(why) {
  asking ??= new Promise((resolve) => {
    const dialog = byId("token");
    byId("token-reason").textContent = why;
    byId("secret").value = "";
    dialog.returnValue = "";
    const closed = () => {
      asking = null;
      const secret = byId("secret").value.trim();
      const given = dialog.returnValue === "use" && secret !== "";
      if (given) sessionStorage.setItem(KEY, secret);
      byId("secret").value = "";
      show();
      resolve(given);
    };
    dialog.addEventListener("close", closed, { once: true });
    dialog.showModal();
  });
  return asking;
}

export function show() {
  byId("forget-token").hidden = token() === null;
}
