// Keeps the page as it would be if it were loaded again now.  The relay draws; nothing is made up here, and whatever
// comes from there is put in as text and elements, never run.
'use strict';

const SILENCE = 8000;  // milliseconds: the relay speaks every two seconds, if only to say that nothing is new
const AGAIN = 5000;

const content = document.getElementById('content');
const link = document.getElementById('link');
const moment = document.getElementById('moment');
const silence = document.getElementById('silence');

let stream = null;
let retry = null;
let heardAt = Date.now();

// Make one node of the page equal to another; what is equal already stays, with its place and its focus.
function become(node, wanted) {
  if (node.nodeType !== wanted.nodeType || node.nodeName !== wanted.nodeName) {
    node.replaceWith(document.importNode(wanted, true));
  } else if (node.nodeType === Node.TEXT_NODE) {
    if (node.textContent !== wanted.textContent) node.textContent = wanted.textContent;
  } else if (node.nodeType === Node.ELEMENT_NODE) {
    for (const { name } of [...node.attributes]) if (!wanted.hasAttribute(name)) node.removeAttribute(name);
    for (const { name, value } of wanted.attributes) {
      if (node.getAttribute(name) !== value) node.setAttribute(name, value);
    }
    becomeWithin(node, wanted);
  }
}

function becomeWithin(node, wanted) {
  const have = [...node.childNodes];
  const want = [...wanted.childNodes];
  want.forEach((child, place) => {
    if (place < have.length) become(have[place], child);
    else node.append(document.importNode(child, true));
  });
  have.slice(want.length).forEach((child) => child.remove());
}

function heard(event) {
  heardAt = Date.now();
  moment.textContent = event.lastEventId;
  show();
}

function silent() {
  return Date.now() - heardAt > SILENCE;
}

// Say when what is on the page may not be true any more.
function show() {
  const old = silent();
  if (old === document.body.classList.contains('old') && link.textContent !== 'as of') return;
  document.body.classList.toggle('old', old);
  link.textContent = old ? 'last heard of' : 'live,';
  silence.textContent = old
    ? `The relay has not been heard of since ${moment.textContent}. What is below was so then.` : '';
  silence.hidden = !old;
}

function listen() {
  clearTimeout(retry);
  if (stream !== null) stream.close();
  stream = new EventSource('events');
  stream.addEventListener('state', (event) => {
    becomeWithin(content, new DOMParser().parseFromString(event.data, 'text/html').body);
    heard(event);
  });
  stream.addEventListener('beat', heard);
  stream.addEventListener('end', () => {
    heardAt = 0;
    show();
  });
  stream.addEventListener('error', () => {
    // Browsers connect again by themselves, but not after every kind of failure.
    if (stream.readyState === EventSource.CLOSED) {
      clearTimeout(retry);
      retry = setTimeout(listen, AGAIN);
    }
  });
}

// There are few places for listeners: a page that nobody looks at leaves its own to others.
document.addEventListener('visibilitychange', () => {
  if (document.hidden) {
    clearTimeout(retry);
    stream.close();
  } else {
    listen();
  }
});

setInterval(() => { if (!document.hidden) show(); }, 1000);
listen();
