"""What benchmarks in many languages share: their codes, and how numbers are written."""

import re

# https://huggingface.co/datasets/CohereForAI/Global-MMLU and /openai/MMMLU, /facebook/belebele: their configurations.
_GLOBAL_MMLU_CODES = """
en es it pl sw am ar bn cs de el fa fil fr ha he hi id ig ja ko ky lt mg ms ne nl ny pt ro ru si sn so sr sv te tr
uk vi yo zh
"""
GLOBAL_MMLU = tuple(_GLOBAL_MMLU_CODES.split())
MMMLU = {
    "es": "ES_LA", "it": "IT_IT", "sw": "SW_KE", "ar": "AR_XY", "bn": "BN_BD", "de": "DE_DE", "fr": "FR_FR",
    "hi": "HI_IN", "id": "ID_ID", "ja": "JA_JP", "ko": "KO_KR", "pt": "PT_BR", "yo": "YO_NG", "zh": "ZH_CN",
}  # fmt: skip
_BELEBELE_CODES = """
eng_Latn ita_Latn pol_Latn spa_Latn swh_Latn acm_Arab afr_Latn als_Latn amh_Ethi apc_Arab arb_Arab arb_Latn ars_Arab
ary_Arab arz_Arab asm_Beng azj_Latn bam_Latn ben_Beng ben_Latn bod_Tibt bul_Cyrl cat_Latn ceb_Latn ces_Latn ckb_Arab
dan_Latn deu_Latn ell_Grek est_Latn eus_Latn fin_Latn fra_Latn fuv_Latn gaz_Latn grn_Latn guj_Gujr hat_Latn hau_Latn
heb_Hebr hin_Deva hin_Latn hrv_Latn hun_Latn hye_Armn ibo_Latn ilo_Latn ind_Latn isl_Latn jav_Latn jpn_Jpan kac_Latn
kan_Knda kat_Geor kaz_Cyrl kea_Latn khk_Cyrl khm_Khmr kin_Latn kir_Cyrl kor_Hang lao_Laoo lin_Latn lit_Latn lug_Latn
luo_Latn lvs_Latn mal_Mlym mar_Deva mkd_Cyrl mlt_Latn mri_Latn mya_Mymr nld_Latn nob_Latn npi_Deva npi_Latn nso_Latn
nya_Latn ory_Orya pan_Guru pbt_Arab pes_Arab plt_Latn por_Latn ron_Latn rus_Cyrl shn_Mymr sin_Latn sin_Sinh slk_Latn
slv_Latn sna_Latn snd_Arab som_Latn sot_Latn srp_Cyrl ssw_Latn sun_Latn swe_Latn tam_Taml tel_Telu tgk_Cyrl tgl_Latn
tha_Thai tir_Ethi tsn_Latn tso_Latn tur_Latn ukr_Cyrl urd_Arab urd_Latn uzn_Latn vie_Latn war_Latn wol_Latn xho_Latn
yor_Latn zho_Hans zho_Hant zsm_Latn zul_Latn
"""
BELEBELE = tuple(_BELEBELE_CODES.split())
INCLUDE = {
    "es": "Spanish", "it": "Italian", "pl": "Polish", "ar": "Arabic", "az": "Azerbaijani", "be": "Belarusian",
    "bg": "Bulgarian", "bn": "Bengali", "de": "German", "el": "Greek", "et": "Estonian", "eu": "Basque",
    "fa": "Persian", "fi": "Finnish", "fr": "French", "he": "Hebrew", "hi": "Hindi", "hr": "Croatian",
    "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "ja": "Japanese", "ka": "Georgian", "kk": "Kazakh",
    "ko": "Korean", "lt": "Lithuanian", "mk": "North Macedonian", "ml": "Malayalam", "ms": "Malay", "ne": "Nepali",
    "nl": "Dutch", "pt": "Portuguese", "ru": "Russian", "sq": "Albanian", "sr": "Serbian", "ta": "Tamil",
    "te": "Telugu", "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian", "ur": "Urdu", "uz": "Uzbek",
    "vi": "Vietnamese", "zh": "Chinese",
}  # fmt: skip
COMMA = frozenset({"de", "es", "fr", "it", "pl", "pt", "ru"})  # languages whose decimal sign is a comma

_GROUPED = re.compile(r"(?<![\d.,])\d{1,3}(?:[.\u00a0\u202f ]\d{3}){1,9}(?![\d.]|,\d{3}(?!\d))")
_DECIMAL = re.compile(r"(?<![\d.,])(\d{1,30}),(\d{1,2}|\d{4,30})(?![\d.,]*\d)")


def with_decimal_points(text: str, language: str) -> str:
    """The text with its numbers as English writes them, where the language has a comma for the decimal sign and a point
    or a blank between thousands: 1.250 is 1250, and 12,5 is 12.5. A comma before three digits is left as it stands:
    models write thousands so in any language."""
    if language not in COMMA:
        return text
    grouped = _GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), text)
    return _DECIMAL.sub(r"\1.\2", grouped)
