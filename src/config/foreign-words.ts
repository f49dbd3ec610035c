/**
 * Words of other programs (Home Assistant, Telegraf, Node-RED, ESPHome, mbpoll, Modbus Poll) and of manuals, and the words of
 * Sluice with the same meaning. The first that belongs to the place counts.
 */
const WORDS: readonly (readonly [words: string, meant: string])[] = [
  // Keys of a device.
  ['slave slave_id slaveid slave_address unit_id unitid deviceaddress device_address device_id station station_id', 'unit'],
  ['address id node', 'unit'],
  [
    'scan_interval scaninterval poll poll_interval pollinterval update_interval period rate every refresh cycle frequency',
    'interval',
  ],
  ['registers register_list sensors items tags fields metrics values', 'points'],
  ['model template driver type', 'profile'],
  // Keys of a point.
  ['register reg register_address start start_address offset_address index', 'address'],
  ['input_type register_type registertype function function_code functioncode fc area kind', 'table'],
  ['data_type datatype value_type valuetype format encoding', 'type'],
  ['byte_order byteorder word_order wordorder endian endianness swap byteswap', 'order'],
  ['multiplier multiply factor gain coefficient', 'scale'],
  ['unit_of_measurement units uom measurement_unit', 'unit'],
  ['count quantity size registers_count words', 'length'],
  ['labels map mapping values options states', 'enum'],
  ['field column key path source', 'from'],
  ['min max limits valid', 'range'],
  ['writable writeable rw write_enable', 'write'],
  // Keys of devices that speak MQTT, and of their points.
  ['state_topic statetopic mqtt_topic base_topic topic_prefix friendly_name', 'topic'],
  ['value_template valuetemplate json_path jsonpath property attribute', 'from'],
  ['availability_topic lwt will will_message last_will', 'availability'],
  ['expire_after expireafter offline_after', 'silentAfter'],
  ['command_topic set_topic', 'write'],
  ['payload_on on_value', 'on'],
  ['payload_off off_value', 'off'],
  ['last_seen lastseen', 'stamp'],
  // Keys of a bus.
  ['baud baud_rate speed bitrate bps', 'baudRate'],
  ['bytesize byte_size data_bits databits bits', 'dataBits'],
  ['stop_bits stop stopbit', 'stopBits'],
  ['device path serial_port serialport tty interface com', 'port'],
  ['ip ip_address address server hostname controller', 'host'],
  ['type method transport mode', 'protocol'],
  ['delay message_wait_milliseconds close_delay pause', 'turnaround'],
  ['retry retry_count max_retries', 'retries'],
  // Keys of a rule.
  ['greater greater_than gt higher over max maximum high threshold limit', 'above'],
  ['less less_than lt lower under min minimum low', 'below'],
  ['between range', 'outside'],
  ['equal eq is value', 'equals'],
  ['timeout silent offline missing', 'stale'],
  ['hysteresis hyst dead_band', 'deadband'],
  ['for delay duration on_delay debounce', 'onDelay'],
  ['off_delay', 'offDelay'],
  ['priority level class', 'severity'],
  ['text description alert', 'message'],
  ['sensor entity entity_id source', 'point'],
  // Keys of a forwarder and of the other sections.
  ['broker server host servers address uri brokerurl', 'url'],
  ['user login', 'username'],
  ['pass passwd pwd', 'password'],
  ['client_id', 'clientId'],
  ['max_size size limit', 'maxSize'],
  ['max_age retention age keep', 'maxAge'],
  ['state_dir data_dir datadir', 'stateDir'],
  ['alarms alerts automations', 'rules'],
  ['mqtt outputs output destinations publish', 'forwarders'],
  ['interfaces ports connections modbus serial lines inputs', 'buses'],
  ['sensors slaves instruments', 'devices'],
  ['storage log database', 'buffer'],
  ['web http ui', 'dashboard'],
  // Values.
  ['holding_register holding_registers holdingregister holdingregisters hr 4x fc3 3 03', 'holding'],
  ['input_register input_registers inputregister inputregisters ir 3x fc4 4 04', 'input'],
  ['coils coil_register 0x fc1 1 01', 'coil'],
  ['discrete_input discrete_inputs discreteinput discreteinputs di contact 1x fc2 2 02', 'discrete'],
  ['word u_word ushort uint unsigned u16 16bit uint16_t ui16 unsigned16', 'uint16'],
  ['unsignedint unsignedshort 16bitunsigned unsigned16bit', 'uint16'],
  ['16bitsigned signed16bit', 'int16'],
  ['unsignedlong 32bitunsigned unsigned32bit', 'uint32'],
  ['32bitsigned signed32bit', 'int32'],
  ['32bitfloat ieee754 floatingpoint', 'float32'],
  ['short s_word int integer signed s16 i16 int16_t signed16', 'int16'],
  ['dword u_dword ulong u32 32bit uint32_t unsigned32', 'uint32'],
  ['long s_dword dint s32 i32 int32_t signed32', 'int32'],
  ['float real fp32 single f32 float_32 float32_ieee', 'float32'],
  ['double lreal f64 fp64', 'float64'],
  ['qword u_qword u64', 'uint64'],
  ['boolean bit binary', 'bool'],
  ['text str char ascii', 'string'],
  ['big big_endian bigendian be', 'ABCD'],
  ['little little_endian littleendian le', 'DCBA'],
  ['word_swap wordswap swap_word mid_little little_swap', 'CDAB'],
  ['byte_swap byteswap swap_byte mid_big big_swap', 'BADC'],
  ['n no', 'none'],
  ['e', 'even'],
  ['o', 'odd'],
  ['rtu modbus serial_rtu', 'modbus-rtu'],
  ['tcp modbustcp tcp_ip', 'modbus-tcp'],
  ['ascii', 'modbus-ascii'],
  ['udp', 'modbus-udp'],
  ['rtuovertcp rtu_over_tcp encapsulated', 'modbus-rtu-over-tcp'],
  ['uart rs232 rs485', 'serial'],
  ['zigbee zigbee2mqtt tasmota esphome broker', 'mqtt'],
  ['alarm error high urgent emergency fatal severe', 'critical'],
  ['warn medium', 'warning'],
  ['low notice information debug', 'info'],
];

const MEANT = new Map<string, string[]>();
for (const [words, meant] of WORDS)
  for (const word of words.split(' ')) MEANT.set(plain(word), [...(MEANT.get(plain(word)) ?? []), meant]);

function plain(word: string): string {
  return word.toLowerCase().replaceAll(/[-_ ]/g, '');
}

/** The one of `known` that has the meaning of a word of another program. */
export function sameMeaning(word: string, known: readonly string[]): string | undefined {
  if (word.length > 64) return undefined;
  return MEANT.get(plain(word))?.find((meant) => known.includes(meant));
}
