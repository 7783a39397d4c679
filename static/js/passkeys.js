// Forms with data-passkey make a passkey ("create") or prove one ("get"), then send it in their field "credential".
// The server's request comes from the JSON script that data-passkey-options names, or from data-passkey-address.
const REFUSED = "No passkey was used. Try again, or take another way.";
const KNOWN = "This device already has a passkey for your account.";
const MISSING = "This browser has no passkeys here. They need a recent browser and a safe (https) address.";
const FAILED = "The server could not be reached. Check your connection and try again.";

const bytesOf = (text) => Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (sign) => sign.charCodeAt(0));

function textOf(buffer) {
  const binary = Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
  return btoa(binary).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
}

const withBytes = (descriptors) => (descriptors ?? []).map((descriptor) => ({ ...descriptor, id: bytesOf(descriptor.id) }));

async function optionsOf(form) {
  const { passkeyOptions, passkeyAddress } = form.dataset;
  if (passkeyOptions) return JSON.parse(document.getElementById(passkeyOptions).textContent);
  const response = await fetch(passkeyAddress, { headers: { Accept: "application/json" } });
  if (!response.ok) throw new TypeError(`answered ${response.status}`);
  return response.json();
}

async function create(form, options) {
  const { publicKey } = options.creation_options;
  // With the box ticked the passkey must be found without the address being typed, and ask for finger, face or PIN.
  const isAlone = form.elements.passwordless?.checked ?? false;
  const selection = {
    ...publicKey.authenticatorSelection,
    residentKey: isAlone ? "required" : "discouraged",
    requireResidentKey: isAlone,
    ...(isAlone && { userVerification: "required" }),
  };
  const credential = await navigator.credentials.create({
    publicKey: {
      ...publicKey,
      challenge: bytesOf(publicKey.challenge),
      user: { ...publicKey.user, id: bytesOf(publicKey.user.id) },
      excludeCredentials: withBytes(publicKey.excludeCredentials),
      authenticatorSelection: selection,
    },
  });
  const { response } = credential;
  return answer(credential, {
    attestationObject: textOf(response.attestationObject),
    transports: response.getTransports?.() ?? [],
  });
}

async function get(form, options) {
  const { publicKey } = options.request_options;
  const credential = await navigator.credentials.get({
    publicKey: {
      ...publicKey,
      challenge: bytesOf(publicKey.challenge),
      allowCredentials: withBytes(publicKey.allowCredentials),
    },
  });
  const { response } = credential;
  return answer(credential, {
    authenticatorData: textOf(response.authenticatorData),
    signature: textOf(response.signature),
    userHandle: response.userHandle ? textOf(response.userHandle) : null,
  });
}

function answer(credential, response) {
  return {
    id: credential.id,
    rawId: textOf(credential.rawId),
    type: credential.type,
    authenticatorAttachment: credential.authenticatorAttachment,
    clientExtensionResults: credential.getClientExtensionResults(),
    response: { clientDataJSON: textOf(credential.response.clientDataJSON), ...response },
  };
}

function reasonOf(error) {
  if (error.name === "InvalidStateError") return KNOWN;
  return error.name === "TypeError" ? FAILED : REFUSED;
}

async function prove(form) {
  const message = form.querySelector("[data-passkey-error]");
  const button = form.querySelector('button[type="submit"]');
  message.hidden = true;
  button.disabled = true;
  try {
    const options = await optionsOf(form);
    const credential = await (form.dataset.passkey === "create" ? create : get)(form, options);
    form.elements.credential.value = JSON.stringify(credential);
    form.submit();
  } catch (error) {
    message.textContent = reasonOf(error);
    message.hidden = false;
    button.disabled = false;
  }
}

for (const form of document.querySelectorAll("form[data-passkey]")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (window.PublicKeyCredential) {
      prove(form);
      return;
    }
    const message = form.querySelector("[data-passkey-error]");
    message.textContent = MISSING;
    message.hidden = false;
  });
}
