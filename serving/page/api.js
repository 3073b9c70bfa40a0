// Asks the service. A refusal becomes an Error with the service's message, or with a friendlier one for people.

import { askForToken, token } from "./token.js";

const WORDS = { no_token: "This needs a token. `genret token create NAME` makes one." };

export class Refused extends Error {
  constructor(message, requestId = null) {
    super(message);
    this.requestId = requestId;
  }
}

/** The JSON of an answer. If the service wants a token, the person is asked for it and the request is sent again. */
export async function call(method, path, body = undefined, signal = undefined) {
  const answer = await send(method, path, body, signal);
  const content = await answer.json().catch(() => ({}));
  if (answer.ok) return content;
  const message = WORDS[content.error?.code] ?? content.error?.message ?? `The service answered with status ${answer.status}.`;
  if (answer.status === 401 && (await askForToken(message))) return call(method, path, body, signal);
  throw new Refused(message, content.request_id);
}

async function send(method, path, body, signal) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token()) headers.Authorization = `Bearer ${token()}`;
  try {
    return await fetch(path, { method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refused("The service cannot be reached. Is genret serve still running?");
  }
}
