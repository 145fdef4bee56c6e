// What the load's flows need beside their requests: whose turn it is, a document that nobody has yet, what the answer says.
//
// LOAD_USERS is a JSON array; of each user: user_id, email, password, access_token, and of a document that is processed already: document_id, a question, and
// the figure (digits only) with which its answer is right.

'use strict';

const { createHash, randomUUID } = require('node:crypto');

const users = readUsers();
const turns = new Map();

// In turn for each flow, so that no user has many more documents to process at once than another.
async function chooseUser(context) {
  const flow = context.scenario.name;
  const turn = turns.get(flow) ?? Math.floor(Math.random() * users.length);
  turns.set(flow, turn + 1);
  context.vars.user = users[turn % users.length];
  context.vars.owner_id = context.vars.user.user_id;
}

// A PDF of one page, with a sentence that stands in no other document.
async function makeDocument(context) {
  const name = randomUUID();
  const content = pdf([
    `Shipping note ${name}`,
    `The crate ${name} left the harbour with the evening tide.`,
    'Its lid is nailed down, and a blue ribbon is tied around the handle.',
    'Whoever opens the crate finds wool, tallow candles and a letter.',
  ]);
  const sha256 = createHash('sha256').update(content).digest('hex');
  Object.assign(context.vars, { filename: `load-${name}.pdf`, bytes_len: content.length, sha256, content });
}

async function sendDocument(request, context) {
  request.body = context.vars.content;
}

// The figure of the answer, however its thousands are set apart; another figure than the user's own, if it tells that instead.
async function readAnswer(request, response, context) {
  if (request.name === 'chat') {
    const figures = (response.body.match(/"text":\s*"(?:[^"\\]|\\.)*"/)?.[0] ?? '')
      .match(/\d+(?:[,. ']\d{3})*/g)
      ?.map((figure) => figure.replace(/\D/g, ''));
    const own = context.vars.user.figure;
    context.vars.figure = figures?.includes(own) ? own : (figures?.[0] ?? 'none');
  }
}

function readUsers() {
  const read = JSON.parse(process.env.LOAD_USERS || '[]');
  if (!read.length) {
    throw new Error('LOAD_USERS is not set: it must be a JSON array of the users of the load');
  }
  return read;
}

function pdf(lines) {
  const text = lines.map((line) => `(${line.replace(/[\\()]/g, '\\$&')}) Tj T*`).join('\n');
  const page = `BT /F1 11 Tf 14 TL 72 770 Td\n${text}\nET`;
  const objects = [
    '<< /Type /Catalog /Pages 2 0 R >>',
    '<< /Type /Pages /Kids [3 0 R] /Count 1 >>',
    '<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R /Resources << /Font << /F1 5 0 R >> >> >>',
    `<< /Length ${page.length} >>\nstream\n${page}\nendstream`,
    '<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>',
  ];
  let file = '%PDF-1.4\n';
  const positions = objects.map((object, index) => {
    const position = file.length;
    file += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return position;
  });
  const table = positions.map((position) => `${String(position).padStart(10, '0')} 00000 n \n`).join('');
  const size = objects.length + 1;
  file += `xref\n0 ${size}\n0000000000 65535 f \n${table}trailer\n<< /Size ${size} /Root 1 0 R >>\nstartxref\n${file.length}\n%%EOF\n`;
  return Buffer.from(file, 'latin1');
}

module.exports = { chooseUser, makeDocument, sendDocument, readAnswer };
