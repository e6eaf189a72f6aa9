"""Chinese, for attacks."""

import unicodedata

from semreward.audit.tables import LanguageTable, words

_MEASURES = "个本顶朵把张件双盏只条位名块座头匹辆间家次天年月日岁元公点层种杯瓶封篇倍万千百里米斤"

# The Kangxi radicals look like the characters that they are compatible with.
_RADICALS = "".join(chr(code) for code in range(0x2F00, 0x2FD6))

CHINESE = LanguageTable(
    "zh",
    joiner="",
    word_joiner="",
    boilerplate="以上内容仅供参考，如有任何疑问，欢迎随时与我们联系，我们将竭诚为您服务。",
    preamble="翻译如下：",
    function_words=frozenset("的了着过在是和与或也都就而及之于从到把被让给向对很又还这那个们吗呢吧啊，。、；：？！"),
    negations=(
        ("并非", ""),
        ("没有在", "正在"),
        ("没有(?=[人谁钱]|什么|任何|时间|问题|办法|关系)", "有"),
        ("没有?", ""),
        ("不(?=是|会|能|可以|应该|愿意|必须|需要|在|想|要)", ""),
        ("正在", "没有在"),
        ("(?<![但还可于而只总就不要真])是(?!否|非)", "不是"),
        ("(?<!不)(可以|能够|应该|愿意|需要|将会)", r"不\1"),
        ("^", "并非"),
    ),
    role_swaps=(
        ("(?<![一二两三四五六七八九十几每这那])把(?![握手守关戏])", "被"),
        ("被(?![子告褥])", "把"),
        ("从([^，。从到]{1,8})(到|去|飞往|前往)([^，。了需要乘坐]{1,8})", r"从\3\2\1"),
        ("([^，。比]{1,8})比([^，。比]{1,8}?)(更|高|大|多|早|晚|快|重|好|长|老|小|低)", r"\2比\1\3"),
    ),
    number_words=tuple("两三四五六七八九"),
    number_pattern=f"(?<![一二两三四五六七八九十百千万])(?:{{words}})(?=[{_MEASURES}])",
    entities=(
        words("北京 上海 天津 重庆 拉萨 成都 西安 兰州 广州 昆明 武汉 南京"),
        words("中国 印度 日本 法国 德国 美国 英国 尼泊尔"),
        words("老师 学生 医生 农民 牧民 士兵 工人 司机 商人 护士"),
        words("扎西 卓玛 次仁 多吉 白玛 王伟 李娜 张强 刘洋"),
        words("母亲 父亲 哥哥 姐姐 弟弟 妹妹"),
    ),
    entity_pattern="(?:{names})",
    homoglyphs=("".join(unicodedata.normalize("NFKC", radical) for radical in _RADICALS), _RADICALS),
)
"""Chinese, in simplified characters. No transliteration: readings of characters need a dictionary; pass a table with a
`transliterate` of your own, made from one."""
