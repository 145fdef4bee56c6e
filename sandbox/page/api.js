/** Calls to the application in the person's session. */
import { checked, send } from './http.js';
import { renewed, token } from './session.js';
import { stream } from './streams.js';

/** A response for the signed-in person; raises Failure for every other than a success. */
export async function call(method, path, options = {}) {
  const access = await token();
  let response = await send(method, path, access, options);
  if (response.status === 401) response = await send(method, path, await renewed(access), options);
  return checked(response);
}

/** The events of a response, as they arrive; resolves at their end. */
export async function listen(method, path, options, take) {
  const access = await token();
  try {
    await stream(method, path, access, options, take);
  } catch (failure) {
    if (failure.status !== 401) throw failure;
    await stream(method, path, await renewed(access), options, take);
  }
}
