// Asks the service. A refusal becomes an Error whose message is the service's own sentence, or ours where that one is for programs.

import { askForToken, token } from "./token.js";

const WORDS = { no_token: "The service takes this only with a token; genret token create NAME makes one." };

export class Refused extends Error {
  constructor(message, requestId = null) {
    super(message);
    this.requestId = requestId;
  }
}

/** The JSON of an answer; a token is asked for, and the request made again, where the service wants one. */
export async function call(method, path, body = undefined, signal = undefined) {
  const answer = await send(method, path, body, signal);
  const told = await answer.json().catch(() => ({}));
  if (answer.ok) return told;
  const message = WORDS[told.error?.code] ?? told.error?.message ?? `The service answered with status ${answer.status}.`;
  if (answer.status === 401 && (await askForToken(message))) return call(method, path, body, signal);
  throw new Refused(message, told.request_id);
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
