/** Server-Sent Events, read from a response: EventSource can send neither a token nor a body. */

/** The events of a response: name and data, as they arrive. To leave before the last aborts the request. */
export async function* eventsOf(response) {
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let held = '';
  let ended = false;
  try {
    while (true) {
      const { done, value } = await reader.read();
      ended = done;
      if (done) return;
      held += decoder.decode(value, { stream: true });
      const blocks = held.split('\n\n');
      held = blocks.pop();
      for (const block of blocks) {
        const fields = Object.fromEntries(block.split('\n').map(field));
        if (fields.data) yield { name: fields.event ?? 'message', data: JSON.parse(fields.data) };
      }
    }
  } finally {
    if (!ended) reader.cancel().catch(() => {});
  }
}

function field(line) {
  const colon = line.indexOf(':');
  return [line.slice(0, colon), line.slice(colon + 1).trimStart()];
}
