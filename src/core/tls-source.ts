/** The identity of a TLS listener, which changes while it listens: certificates end and are made anew. */
export interface TlsSource {
  /** PEM, and the SHA-256 of the certificate; undefined: there is none yet, or none that can be used. */
  readonly current: { readonly key: string; readonly cert: string; readonly fingerprint: string } | undefined;
  /** Why there is none, in words. */
  readonly fault: string | undefined;
  /** Calls back when another identity is in force. @returns ends that */
  onChange(listener: () => void): () => void;
}
