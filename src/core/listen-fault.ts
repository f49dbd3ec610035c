/** Why an address cannot be listened on, and what to do, in words. */

/** Where MQTT brokers listen; the Debian package mosquitto starts one there when it is installed. */
const MQTT_PORT = 1883;

/** @param cause what the system said @param key the key of the configuration that names the address */
export function listenFault({ host, port }: { host: string; port: number }, cause: Error, key: string): string {
  const code = 'code' in cause ? cause.code : undefined;
  if (code === 'EADDRINUSE') {
    const usual = port === MQTT_PORT ? '; if it is the service mosquitto, `sudo systemctl disable --now mosquitto` stops it' : '';
    return `another program listens on ${host}:${port} (\`sudo ss -ltnp\` names it${usual}): stop it, or choose another port for ${key}`;
  }
  if (code === 'EACCES')
    return `${host}:${port} may not be listened on: ports below 1024 need a right; choose a higher one for ${key}`;
  if (code === 'EADDRNOTAVAIL') return `this machine does not have the address ${host}: correct ${key}`;
  return `${host}:${port} cannot be listened on: ${cause.message}`;
}
