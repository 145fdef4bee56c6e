'use strict';
// Masks secrets of the environment in texts of the request log: whole values, and members of JSON values with a secret's
// name. `node.py` does the same for the output of Artillery.
const SHORTEST = 6; // shorter values are no secrets, and would match everywhere
const SECRET_NAME = /password|secret|token|key/i;

const values = (process.env.REQUEST_LOG_SECRETS || '').split(',').map((name) => process.env[name] || '');
const found = new Set(values.concat(values.flatMap(leaves)));
const secrets = [...found].filter((one) => one.length >= SHORTEST).sort((one, other) => other.length - one.length);

exports.masked = (text) => secrets.reduce((masked, secret) => masked.replaceAll(secret, '***'), text);

function leaves(value) {
  const strings = [];
  const collect = (part, secret) => {
    if (Array.isArray(part)) {
      part.forEach((each) => collect(each, secret));
    } else if (part && typeof part === 'object') {
      Object.entries(part).forEach(([name, each]) => collect(each, SECRET_NAME.test(name)));
    } else if (typeof part === 'string' && secret) {
      strings.push(part);
    }
  };
  try {
    collect(JSON.parse(value), false);
  } catch {
    return [];
  }
  return strings;
}
