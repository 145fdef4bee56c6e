'use strict';
// Texts that go into the request log, without the values that came by the environment.
const SHORTEST = 6; // shorter values are no secrets, and would be found everywhere

const secrets = (process.env.REQUEST_LOG_SECRETS || '')
  .split(',')
  .map((name) => process.env[name])
  .filter((value) => value && value.length >= SHORTEST)
  .sort((one, other) => other.length - one.length);

exports.masked = (text) => secrets.reduce((shown, secret) => shown.replaceAll(secret, '***'), text);
