// Every word of the page, in both languages; the sentences of the service, too.
const TEXTS = {
  en: {
    tagline: "One photo, one voice: a talking video. Or a video, and it speaks with another voice.",
    photo: "Photo or video", photoHint: "Drop a portrait here, or click (JPEG, PNG, WebP, HEIC); a video gets the new voice (MP4, MOV, WebM)",
    sound: "Voice", soundHint: "Drop a recording here, or click (MP3, WAV, M4A …)",
    settings: "Settings", preset: "Quality", high: "High quality", fast: "Fast", framing: "Framing",
    whole: "Whole photo", face: "Square around the face", pasted: "Face, pasted back into the photo",
    resolution: "Short side, pixels", mouth: "Mouth and expression", movement: "Head movement", seed: "Seed",
    channel: "Who speaks in a stereo recording", allChannels: "Both channels", leftChannel: "Left channel only", rightChannel: "Right channel only",
    second: "A second voice, for a picture of two", voice: "Voice", nobody: "No voice",
    pickFaces: "Voice 1 and voice 2 speak for the faces with these numbers; click faces to choose others.",
    oneFace: "Two voices need a photo with two faces.",
    who: "Who speaks in the video", whoMost: "Whoever fills most of it", whoAuto: "Whoever spoke at that time",
    longer: "If the voice is longer", pingpong: "The end back and forth", loop: "The video again", freeze: "Its last picture",
    shorter: "If the voice is shorter", rest: "The video goes on, lips shut", cut: "The video is cut", ownSound: "The video's own sound below (0 to 1)",
    mood: "Mood", neutral: "Neutral", happy: "Happy", serious: "Serious", sad: "Sad", surprised: "Surprised",
    background: "Background", asInPhoto: "As in the photo", green: "Green screen", blue: "Blue screen", white: "White",
    transparent: "Transparent (WebM)", picture: "A picture", behind: "Picture behind the person",
    behindMissing: "Choose the picture behind the person, or another background.",
    label: "Visible AI label", unlabelled: "None (record in the file only)", key: "API key",
    purpose: "What is the video for?",
    consent: "The person in the photo and the owner of the voice have agreed to this video. I can withdraw it at any time; photo, voice and video are then deleted.",
    talk: "Speak live with this photo", liveSound: "Sound on or off", liveInterrupt: "Interrupt", liveEnd: "End",
    liveBegins: "Getting ready …", liveReady: "Speak!", liveSpeaking: "Speaking", liveIdle: "Listening",
    liveInterrupted: "Interrupted", liveEnded: "The talk has ended.",
    livePhoto: "Choose a photo, say what it is for and agree first.", liveMicrophone: "The microphone cannot be used",
    make: "Make the video", cancel: "Cancel", download: "Download", revoke: "Withdraw consent and delete",
    recent: "Earlier videos", revoked: "Consent withdrawn; everything has been deleted.",
    confirm: "Delete photo, voice and video for good?", lost: "The connection was lost; trying again …",
    wrongType: "That is not a file of the right kind.",
    queued: "Waiting for a worker", starting: "Starting", downloading: "Fetching photo and voice", loading: "Loading the model",
    sampling: "Finding the movement", rendering: "Drawing the frames", generating: "Generating", signing: "Signing the video", uploading: "Saving the video",
    fetching: "Fetching the video", done: "Done", failed: "Failed", cancelled: "Cancelled", running: "Working",
    noAnswer: "The service does not answer.", problem: "Something went wrong",
    deleted: "Deleted", retry: "Try again", more: "Show more", seconds: "s", frames: "frames",
    sending: "Sending", checking: "Checking photo and voice …", name: "Name of the video (optional)",
    subject: "Whose face is it? (a name or pseudonym)", myself: "It is me",
    record: "Record your voice", stopRecording: "Stop recording",
    noMicrophone: "The microphone cannot be used; allow it in the browser.",
    tooMuch: "more than you have left today",
    door: "Open the address that the terminal shows (it ends in ?token=…), or enter an API key.",
  },
  zh: {
    tagline: "一张照片，一段声音，生成说话的视频；或者给一段视频换上新的声音。",
    photo: "照片或视频", photoHint: "把人像拖到这里，或点击选择（JPEG、PNG、WebP、HEIC）；视频则换成新的声音（MP4、MOV、WebM）",
    sound: "声音", soundHint: "把录音拖到这里，或点击选择（MP3、WAV、M4A 等）",
    settings: "设置", preset: "质量", high: "高质量", fast: "快速", framing: "取景",
    whole: "整张照片", face: "以脸为中心的方形", pasted: "只动脸部，再贴回照片",
    resolution: "短边像素", mouth: "口型与表情", movement: "头部动作", seed: "随机种子",
    channel: "立体声录音中由谁说话", allChannels: "两个声道", leftChannel: "仅左声道", rightChannel: "仅右声道",
    second: "第二个声音（用于双人画面）", voice: "声音", nobody: "没有声音",
    pickFaces: "声音 1 和声音 2 属于带有相应编号的脸；点击人脸可以更换。",
    oneFace: "两个声音需要一张有两张脸的照片。",
    who: "视频里由谁说话", whoMost: "画面中最主要的人", whoAuto: "原来在那时说话的人",
    longer: "声音更长时", pingpong: "结尾来回播放", loop: "视频重新播放", freeze: "停在最后一帧",
    shorter: "声音更短时", rest: "视频继续，嘴唇闭合", cut: "截断视频", ownSound: "保留视频原声的音量（0 到 1）",
    mood: "表情", neutral: "平静", happy: "开心", serious: "严肃", sad: "悲伤", surprised: "惊讶",
    background: "背景", asInPhoto: "照片原有的", green: "绿幕", blue: "蓝幕", white: "白色",
    transparent: "透明（WebM）", picture: "图片", behind: "人物背后的图片",
    behindMissing: "请选择人物背后的图片，或换一种背景。",
    label: "可见的 AI 标识", unlabelled: "无（只写入文件信息）", key: "API 密钥",
    purpose: "视频的用途",
    consent: "照片中的人和声音的主人同意制作这段视频。我可以随时撤回同意，届时照片、声音和视频都会被删除。",
    talk: "用这张照片实时说话", liveSound: "声音开关", liveInterrupt: "打断", liveEnd: "结束",
    liveBegins: "准备中……", liveReady: "请说话！", liveSpeaking: "说话中", liveIdle: "聆听中",
    liveInterrupted: "已打断", liveEnded: "对话已结束。",
    livePhoto: "请先选择照片、填写用途并勾选同意。", liveMicrophone: "无法使用麦克风",
    make: "生成视频", cancel: "取消", download: "下载", revoke: "撤回同意并删除",
    recent: "之前的视频", revoked: "已撤回同意，全部内容已删除。",
    confirm: "确定永久删除照片、声音和视频吗？", lost: "连接中断，正在重试……",
    wrongType: "文件类型不对。",
    queued: "等待处理", starting: "开始", downloading: "读取照片和声音", loading: "加载模型",
    sampling: "计算动作", rendering: "绘制画面", generating: "生成中", signing: "为视频签名", uploading: "保存视频",
    fetching: "取回视频", done: "完成", failed: "失败", cancelled: "已取消", running: "处理中",
    noAnswer: "服务没有响应。", problem: "出错了",
    deleted: "已删除", retry: "重试", more: "显示更多", seconds: "秒", frames: "帧",
    sending: "正在上传", checking: "正在检查照片和声音……", name: "视频名称（可不填）",
    subject: "照片中的人是谁？（姓名或代号）", myself: "就是我本人",
    record: "用麦克风录音", stopRecording: "停止录音",
    noMicrophone: "无法使用麦克风，请在浏览器中允许。",
    tooMuch: "超出今天剩余的额度",
    door: "请打开终端里显示的地址（以 ?token=… 结尾），或填写 API 密钥。",
  },
};

// The service speaks English. Its sentences in Chinese: the first that fits, with what it names ($1, $2).
const SENTENCES_ZH = [
  [/^You have (\d+) jobs under way; at most (\d+)/, "您有 $1 个任务正在进行，最多允许 $2 个，请稍后再试。"],
  [/^You started (\d+) jobs in the last day; at most (\d+)/, "过去一天您已提交 $1 个任务，每天最多 $2 个。"],
  [/^The queue is full/, "队列已满，请几分钟后再试。"],
  [/^This video has ([\d.]+) gigapixels.*?you have ([\d.]+) of ([\d.]+) left/s,
   "这段视频需要 $1 千兆像素，您今天还剩 $2（每天 $3）。请选择更小的分辨率、更低的帧率或更短的声音。"],
  [/under way; more are not allowed|as many .* under way as it can bear/, "同时进行的操作太多，请稍后再试。"],
  [/API key/, "API 密钥缺失或无效。"],
  [/^consent\.(subject|purpose)/, "请填写照片中的人和视频用途（一行文字）。"],
  [/^The consent .* has expired|consent has expired/, "同意书已过期。"],
  [/^The consent .* has been revoked/, "同意已被撤回。"],
  [/consent/, "需要照片中的人同意，请勾选并填写完整。"],
  [/^The photo has (\d+) bytes; 1 to (\d+)/, "照片有 $1 字节，允许 1 到 $2 字节。"],
  [/^The sound has (\d+) bytes; 1 to (\d+)/, "声音有 $1 字节，允许 1 到 $2 字节。"],
  [/^The video has (\d+) bytes; 1 to (\d+)/, "视频有 $1 字节，允许 1 到 $2 字节。"],
  [/^who speaks can be told/, "无法从视频的原声判断由谁说话，请改选画面中最主要的人。"],
  [/^who speaks is found by the video's own sound/, "视频没有声音，无法判断由谁说话，请改选画面中最主要的人。"],
  [/no face was found in the video/, "视频里没有找到可用的人脸，请换一段人脸清晰的视频。"],
  [/^(The )?video/i, "无法读取视频，请使用 MP4、MOV、MKV 或 WebM 文件。"],
  [/animated/, "照片是动图，请使用静态图片。"],
  [/^(The photo|image) .*(pixels|too small|too large|side)/i, "照片的尺寸不合适，请换一张。"],
  [/^(The photo|image)/i, "无法读取照片，请使用 JPEG、PNG、WebP 或 HEIC 图片。"],
  [/^The sound is ([\d.]+) s long/, "声音长 $1 秒，太长了，请剪短。"],
  [/^(The sound|audio)/i, "无法读取声音，请使用 WAV、MP3、M4A、FLAC 或 OGG 文件。"],
  [/no (usable )?face|face .*(not|no)/i, "照片里没有找到可用的人脸，请换一张正面清晰的照片。"],
  [/room/, "服务器磁盘空间不足，请稍后再试。"],
  [/too long to arrive|lost its place/, "上传时间太长，请重新提交。"],
  [/^settings\.|^there is no setting|is .*; (give|choose)/, "某项设置的值不合适，请检查设置。"],
  [/have been deleted|has been deleted/, "内容已被删除。"],
  [/^There is no job/, "没有这个任务。"],
  [/ledger does not answer|store|OSS/i, "服务器的存储暂时没有响应，请稍后再试。"],
  [/lost in each of (\d+) attempts/, "处理进程在 $1 次尝试中都意外退出。"],
  [/in the worker; see its log/, "处理时出错，请重试；若仍失败请联系管理员。"],
  [/longer than the ([\d.]+) h/, "处理时间超过了 $1 小时的上限。"],
];
const STATUS_ZH = { 401: "API 密钥缺失或无效。", 404: "找不到。", 408: "上传时间太长，请重试。", 410: "内容已被删除。",
  413: "文件太大。", 429: "请求太多，请稍后再试。", 503: "服务暂时不可用，请稍后再试。", 507: "服务器磁盘空间不足。" };
const STATUS_EN = { 413: "The files are too large.", 503: "The service is not available now; try again in a moment." };

const stored = localStorage.getItem("language");
let chosen = stored || (navigator.language.startsWith("zh") ? "zh" : "en");

export const language = () => chosen;
export const text = (name) => TEXTS[chosen][name] || name;

export function setLanguage(name) {
  chosen = name;
  localStorage.setItem("language", name);
}

// An error of the service, said in the page's language. status 0: there was no answer.
export function errorText(status, detail) {
  if (status === 0) return text("noAnswer");
  if (chosen !== "zh") return detail || STATUS_EN[status] || `${text("problem")} (${status})`;
  const known = SENTENCES_ZH.find(([pattern]) => pattern.test(detail));
  if (known) {
    const found = detail.match(known[0]);
    return known[1].replace(/\$(\d)/g, (_, number) => found[Number(number)] ?? "");
  }
  return STATUS_ZH[status] || `${text("problem")}（${status}）`;
}
