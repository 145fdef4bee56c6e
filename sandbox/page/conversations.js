/** The conversations so far. */
import { call } from './api.js';
import { announce, confirmed, fill, moment, showFailure } from './dom.js';

/** The view; returns how to leave it. */
export function conversationsView(main) {
  const { content, parts } = fill('conversations');
  let left = false;

  const load = async () => {
    try {
      const { conversations } = await (await call('GET', '/conversations')).json();
      if (left) return;
      parts.failure.replaceChildren();
      parts.empty.hidden = conversations.length > 0;
      parts.list.replaceChildren(...conversations.map((conversation) => itemOf(conversation, remove)));
    } catch (failure) {
      if (failure.name !== 'AbortError' && !left) showFailure(parts.failure, failure, { label: 'Load again', action: load });
    }
  };

  const remove = async ({ conversation_id: id, title }) => {
    if (!(await confirmed('Delete this conversation?', title))) return;
    try {
      await call('DELETE', `/conversations/${id}`);
      sessionStorage.removeItem(`turns:${id}`);
      announce('The conversation has been deleted.');
      await load();
    } catch (failure) {
      if (failure.name !== 'AbortError') showFailure(parts.failure, failure);
    }
  };

  main.replaceChildren(content);
  load();
  return () => { left = true; };
}

function itemOf(conversation, remove) {
  const { content, parts } = fill('conversation-item');
  parts.name.textContent = conversation.title;
  parts.name.href = `#/ask/${conversation.conversation_id}`;
  parts.of.textContent = ` the conversation “${conversation.title}”`;
  parts.facts.textContent = `${conversation.messages} messages, last ${moment(conversation.updated_at)}`;
  parts.remove.addEventListener('click', () => remove(conversation));
  return content;
}
