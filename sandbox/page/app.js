/** Start, and the way from one view to the next: the address names the view, so that back and reload work. */
import { accountView, askAgain, logOut } from './account.js';
import { askView } from './ask.js';
import { conversationsView } from './conversations.js';
import { documentView } from './document.js';
import { documentsView } from './documents.js';
import { current, end, again, whenEnded } from './session.js';

const main = document.getElementById('main');
const nav = document.getElementById('nav');
const who = document.getElementById('who');
const logout = document.getElementById('logout');

let leave = () => {};
let shown = false;
let user;

function show() {
  const session = current();
  user = session?.user ?? user;
  const [, name = '', id] = location.hash.split('/');
  const isAccount = name === 'login' || name === 'register';
  if (!session && !isAccount) {
    go('#/login');
    return;
  }
  if (session && (isAccount || !(name in VIEWS))) {
    go('#/documents');
    return;
  }
  leave();
  nav.hidden = who.hidden = !session;
  document.getElementById('email').textContent = session?.user.email ?? '';
  for (const link of nav.children) {
    if (link.hash === `#/${name}`) link.setAttribute('aria-current', 'page');
    else link.removeAttribute('aria-current');
  }
  leave = (isAccount ? accountView(main, name, show) : VIEWS[name](id)) ?? (() => {});
  const heading = main.querySelector('h1');
  document.title = `${heading.textContent} – Document assistant`;
  if (shown) {
    heading.focus({ preventScroll: true });
    scrollTo(0, 0);
  }
  shown = true;
}

const VIEWS = {
  documents: (id) => (id ? documentView(main, id) : documentsView(main)),
  ask: (id) => askView(main, id ?? null),
  conversations: () => conversationsView(main),
};

/** Without an entry of its own: back leads to where the person was. */
function go(hash) {
  history.replaceState(null, '', hash);
  show();
}

whenEnded(async () => {
  await askAgain(user, () => {
    end();
    show();
  });
});

addEventListener('hashchange', show);
addEventListener('storage', (event) => {
  if (event.key !== 'session' && event.key !== null) return;
  const session = current();
  if (!session && nav.hidden === false) again().catch(() => {});
  else if (session && session.user.id !== user?.id) location.reload();
});
// The address names the view, so this link only moves the focus.
document.querySelector('.skip').addEventListener('click', (event) => {
  event.preventDefault();
  main.focus();
});
logout.addEventListener('click', async () => {
  await logOut();
  user = undefined;
  go('#/login');
});

show();
