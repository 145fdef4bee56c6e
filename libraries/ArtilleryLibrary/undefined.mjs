// What a request would send as `undefined`, though something was meant: variables that are not set, and texts made of them.
import { createRequire } from 'node:module';

const PARTS = ['url', 'headers', 'cookie', 'qs', 'auth', 'json', 'body', 'form', 'formData'];
const NAME = /{{{?([\s$\w.[\]'"-]+)}}}?/g; // as Artillery finds them
const CALL = /{{\s*(\$\w+)\s*\(/g;
const IN_LINE = /(?:^|[/=:\s])undefined(?:$|[/?#&\s,;])/; // of a URL or header
const IN_BODY = /["=]undefined(?:["&]|$)/;

// A function of a request and its context: reasons for each variable that its templates name and nothing has set.
export function unsetVariables(fileOfArtillery) {
  const { get } = createRequire(fileOfArtillery)('lodash');
  return (params, context) =>
    PARTS.flatMap((part) => {
      const names = new Set();
      for (const text of texts(params[part])) {
        for (const [, name] of text.matchAll(NAME)) {
          if (get(context.vars, name.trim()) === undefined) {
            names.add(name.trim());
          }
        }
        for (const [, name] of text.matchAll(CALL)) {
          if (!(name in context.funcs)) {
            names.add(`${name}()`);
          }
        }
      }
      return [...names].map((name) => `${part}: not sent, nothing has set ${name}`);
    });
}

// Reasons for the parts of a request, as it is sent, that hold the word where a value belongs.
export function undefinedTexts(params) {
  const inLine = (text) => IN_LINE.test(text);
  const inBody = (text) => text === 'undefined' || IN_BODY.test(text);
  const sent = { url: inLine, headers: inLine, json: inBody, body: inBody, form: inBody };
  return Object.keys(sent)
    .filter((part) => texts(params[part]).some(sent[part]))
    .map((part) => `${part}: sends 'undefined'`);
}

// All texts of a part; names of fields too.
function texts(part) {
  if (typeof part === 'string') {
    return [part];
  }
  if (Array.isArray(part)) {
    return part.flatMap(texts);
  }
  if (part?.constructor === Object) {
    return Object.entries(part).flatMap(([name, value]) => [name, ...texts(value)]);
  }
  return [];
}
