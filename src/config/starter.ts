export const DEFAULT_STATE_DIR = '/var/lib/sluice';

/**
 * What `sluice init` writes: valid as it stands, one working line through the gateway, the rest to be uncommented.
 * @param ownState the gateway writes into a folder beside its configuration, since its user may not write into that of a service
 */
export function starterConfig({ ownState = false } = {}): string {
  const stateDir = ownState ? '  stateDir: state               #' : `  # stateDir: ${DEFAULT_STATE_DIR}   #`;
  return `# Configuration of a Sluice gateway.
# Check it after every change:  sluice check gateway.yaml
# All keys and their meaning:   docs/reference/configuration.md

gateway:
  id: my-gateway              # the name in topics; give every board its own, and never change it
  # name: Village water point   # a name for people
${stateDir} the folder for everything that the gateway writes

# A bus is one wire: a serial port or a network address. This command shows port names that never change:
# ls -l /dev/serial/by-id
buses:
  field:
    protocol: modbus-rtu
    port: /dev/ttyUSB0
    baudRate: 9600              # bits each second; the same as in the devices
    parity: none                # none, even or odd; the same as in the devices
  # plant:
  #   protocol: modbus-tcp
  #   host: 192.168.1.20
  #   port: 502
  # air:
  #   protocol: serial          # an instrument that sends by itself
  #   port: /dev/ttyUSB1
  #   baudRate: 9600

# A device is an instrument on a bus. A profile knows its registers: "sluice profile list" lists them.
devices:
  fridge:
    bus: field
    unit: 1                     # Modbus address, 1 to 247; each device on a bus needs its own
    profile: xy-md02            # temperature and humidity
    interval: 10s
  # A device without a profile needs its points here. Addresses count from 0. Manuals often count from 1 or 40001.
  # pump:
  #   bus: plant
  #   unit: 1
  #   interval: 1s
  #   points:
  #     pressure: {table: holding, address: 0, type: float32, order: ABCD, unit: bar}
  #     running: {table: coil, address: 0, type: bool}
  # dust:
  #   bus: air
  #   profile: sds011

# A rule watches one point and raises an alarm.
rules:
  fridge-warm:
    point: fridge.temperature
    above: 8
    deadband: 0.5               # the alarm ends at 7.5
    onDelay: 10m                # the alarm begins when it lasts for 10 minutes
    severity: critical          # info, warning or critical
  fridge-silent:
    point: fridge.temperature
    stale: 5m                   # no good reading for five minutes

# The log on disk. When it is full, the gateway first thins out the oldest readings, then drops them.
buffer:
  maxSize: 256MB
  maxAge: 30d
  commitEvery: 10s              # a longer time wears an SD card less

# MQTT for programs on this board. Subscribe to sluice/my-gateway/#
broker:
  listen: {host: 127.0.0.1, port: 1883}

# The destination of the readings. The gateway keeps undelivered readings.
# forwarders:
#   cloud:
#     type: mqtt
#     url: mqtt://broker.example.org:1883
#     username: my-gateway
#     password: {file: /etc/sluice/cloud-password}
#     format: json

# State and metrics over HTTP, for this board only.
dashboard:
  listen: {host: 127.0.0.1, port: 8080}
`;
}
