// Proves nothing, as an engine that does not know an identity.
export function identical() {
  return false;
}
