/** Calls to the application in the person's session. */
import { checked, send } from './http.js';
import { renewed, token } from './session.js';

/** A response for the signed-in person; raises Failure for every other than a success. */
export async function call(method, path, options = {}) {
  const access = await token();
  let response = await send(method, path, access, options);
  if (response.status === 401) response = await send(method, path, await renewed(access), options);
  return checked(response);
}
