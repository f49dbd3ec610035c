/** The first page of a gateway: the claim, the log-in, and what to do next. It works without any other page, and offline. */
export const ENTRY_HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<title>Sluice gateway</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/entry.css">
<script src="/entry.js" defer></script>
</head>
<body>
<main>
<h1>Sluice gateway</h1>
<noscript><p>This page needs JavaScript. You can also use the command line on the board: <code>sudo sluice claim</code>.</p></noscript>
<p id="wait" role="status">Asking the gateway …</p>
<p id="fault" role="alert" hidden></p>

<section id="claim" hidden aria-labelledby="claim-head">
<h2 id="claim-head">Set up the first administrator</h2>
<ol>
<li>On the board, run <code>sudo sluice claim</code>. It shows the claim code and the fingerprint of the certificate.</li>
<li>Compare the fingerprint with the fingerprint that your browser shows for this page.</li>
<li>Fill in this form.</li>
</ol>
<form method="post" autocomplete="on">
<label for="claim-code">Claim code</label>
<p class="hint" id="claim-code-hint">12 letters and digits, for example 7K3M-Q2XV-9TRD.</p>
<input id="claim-code" name="code" required maxlength="64" autocomplete="off" autocapitalize="characters" spellcheck="false" aria-describedby="claim-code-hint">
<label for="claim-name">Your user name</label>
<p class="hint" id="claim-name-hint">Small letters and digits, for example anna.</p>
<input id="claim-name" name="name" required maxlength="64" autocomplete="username" autocapitalize="none" spellcheck="false" aria-describedby="claim-name-hint">
<label for="claim-password">New password</label>
<p class="hint" id="claim-password-hint">At least 10 characters.</p>
<input id="claim-password" name="password" type="password" required minlength="10" maxlength="256" autocomplete="new-password" aria-describedby="claim-password-hint">
<label for="claim-again">The same password again</label>
<input id="claim-again" name="again" type="password" required maxlength="256" autocomplete="new-password">
<button>Make me the administrator</button>
</form>
</section>

<section id="log-in" hidden aria-labelledby="log-in-head">
<h2 id="log-in-head">Log in</h2>
<form method="post" autocomplete="on">
<label for="log-in-name">User name</label>
<input id="log-in-name" name="name" required maxlength="64" autocomplete="username" autocapitalize="none" spellcheck="false">
<label for="log-in-password">Password</label>
<input id="log-in-password" name="password" type="password" required maxlength="256" autocomplete="current-password">
<button>Log in</button>
</form>
<p class="hint">Did you forget the password? Another administrator, or root on the board, can set a new one: <code>sluice user passwd NAME</code>.</p>
</section>

<section id="inside" hidden aria-labelledby="inside-head">
<h2 id="inside-head" tabindex="-1">You are logged in</h2>
<p>You are <strong id="who"></strong> with the role <strong id="role"></strong>.</p>
<p><a href="/api/v1/status">Show the state of the gateway as JSON</a></p>
<form id="change" method="post" autocomplete="on">
<h3>Change your password</h3>
<input name="name" id="change-name" type="text" autocomplete="username" hidden>
<label for="change-password">Password now</label>
<input id="change-password" name="password" type="password" required maxlength="256" autocomplete="current-password">
<label for="change-next">New password</label>
<p class="hint" id="change-next-hint">At least 10 characters. All your sessions end, and you log in again.</p>
<input id="change-next" name="next" type="password" required minlength="10" maxlength="256" autocomplete="new-password" aria-describedby="change-next-hint">
<button>Change the password</button>
</form>
<form id="leave" method="post"><button>Log out</button></form>
</section>

<section id="local" hidden aria-labelledby="local-head">
<h2 id="local-head">This gateway has no administrator yet</h2>
<p>Open the HTTPS address of the gateway and enter the claim code. Or run <code>sudo sluice user add NAME --role administrator</code> on the board.</p>
<p><a href="/api/v1/status">Show the state of the gateway as JSON</a></p>
</section>
</main>
</body>
</html>
`;

export const ENTRY_CSS = `:root { color-scheme: light dark; --line: #6b7280; --accent: #0b5cad; --fault: #b00020; --on: #fff; }
@media (prefers-color-scheme: dark) { :root { --accent: #7ab8f5; --fault: #ff8a80; --on: #000; } }
* { box-sizing: border-box; }
body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
main { max-width: 30rem; margin: 0 auto; padding: 1rem; }
h1 { font-size: 1.4rem; margin: 0 0 1rem; }
h2 { font-size: 1.15rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 0; }
ol { padding-left: 1.25rem; }
label { display: block; font-weight: 600; margin-top: 1rem; }
.hint { margin: 0; font-size: .9rem; }
input { width: 100%; min-height: 2.75rem; padding: .5rem; margin-top: .25rem; font: inherit; border: 1px solid var(--line); border-radius: .25rem; }
button { width: 100%; min-height: 2.75rem; margin-top: 1.25rem; padding: .5rem 1rem; font: inherit; font-weight: 600; border: 0; border-radius: .25rem; background: var(--accent); color: var(--on); }
button[disabled] { opacity: .6; }
a { color: var(--accent); }
#fault { color: var(--fault); font-weight: 600; border-left: .25rem solid; padding-left: .75rem; }
:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px; }
[hidden] { display: none; }
`;

export const ENTRY_JS = `'use strict';
const byId = (id) => document.getElementById(id);
const sections = ['claim', 'log-in', 'inside', 'local'];
let csrf;

function show(id, fault) {
  byId('wait').hidden = true;
  for (const other of sections) byId(other).hidden = other !== id;
  say(fault);
  const first = id === undefined ? null : byId(id).querySelector('input:not([hidden]), [tabindex]');
  if (first !== null && fault === undefined) first.focus();
}
function say(fault) {
  byId('fault').hidden = fault === undefined;
  byId('fault').textContent = fault === undefined ? '' : fault[0].toUpperCase() + fault.slice(1) + '.';
}

function note(text) {
  byId('wait').hidden = false;
  byId('wait').textContent = text;
}

async function ask(method, path, body) {
  const headers = body === undefined ? {} : { 'Content-Type': 'application/json' };
  if (csrf !== undefined) headers['X-Sluice-CSRF'] = csrf;
  let answer;
  try {
    answer = await fetch(path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) });
  } catch {
    return { status: 0, body: {}, fault: 'the gateway does not answer; look at the network and try again' };
  }
  const text = await answer.json().catch(() => ({}));
  const fault = answer.ok ? undefined : (text.error && text.error.message) || 'the gateway answered ' + answer.status;
  return { status: answer.status, code: text.error && text.error.code, body: text, fault };
}

async function begin(fault) {
  csrf = undefined;
  const answer = await ask('GET', '/api/v1/session');
  if (answer.status === 200 && answer.body.csrf === undefined) return show('local', fault);
  if (answer.status === 200) return inside(answer.body);
  if (answer.code === 'unclaimed') return show('claim', fault);
  if (answer.status === 401) return show('log-in', fault);
  show(undefined, answer.fault);
}
function inside(session) {
  csrf = session.csrf;
  byId('who').textContent = session.name;
  byId('role').textContent = session.role;
  byId('change-name').value = session.name;
  show('inside');
}

function onSubmit(form, act) {
  form.addEventListener('submit', async (event) => {
    event.preventDefault();
    const button = form.querySelector('button');
    if (button.disabled) return;
    button.disabled = true;
    say(undefined);
    try {
      await act(Object.fromEntries(new FormData(form)), form);
    } finally {
      button.disabled = false;
    }
  });
}

async function logIn(name, password) {
  const answer = await ask('POST', '/api/v1/session', { name, password });
  if (answer.fault !== undefined) return say(answer.fault);
  for (const form of document.forms) form.reset();
  inside(answer.body);
}

onSubmit(byId('claim').querySelector('form'), async ({ code, name, password, again }) => {
  if (password !== again) return say('the two passwords are different; type them again');
  const answer = await ask('POST', '/api/v1/claim', { code, name, password });
  if (answer.code === 'exists') return begin('somebody has claimed this gateway already; if it was not you or a colleague, run "sudo sluice claim --again" on the board');
  if (answer.fault !== undefined) return say(answer.fault);
  show('log-in');
  await logIn(name, password);
});
onSubmit(byId('log-in').querySelector('form'), ({ name, password }) => logIn(name, password));
onSubmit(byId('change'), async ({ password, next }, form) => {
  const answer = await ask('POST', '/api/v1/session/password', { password, next });
  if (answer.fault !== undefined) return say(answer.fault);
  form.reset();
  await begin();
  note('Your password is changed. Log in with the new one.');
});
onSubmit(byId('leave'), async () => {
  await ask('POST', '/api/v1/session/end', {});
  await begin();
});
begin();
`;
