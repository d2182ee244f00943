//! The container: values of every type, and files that are damaged.

use cke_engine::formats::gguf::{Array, GgufFile, GgufModel, Value, ValueType};
use cke_engine::weights::Checkpoint;
use cke_testkit::{Data, Gguf, GgufLlama, GgufValue};

#[test]
fn values_of_every_type_are_read() {
    let values: [(GgufValue, Value<'_>); 12] = [
        (GgufValue::U8(200), Value::Integer(ValueType::Uint8, 200)),
        (GgufValue::I8(-2), Value::Integer(ValueType::Int8, -2)),
        (GgufValue::U16(60_000), Value::Integer(ValueType::Uint16, 60_000)),
        (GgufValue::I16(-3), Value::Integer(ValueType::Int16, -3)),
        (GgufValue::U32(u32::MAX), Value::Integer(ValueType::Uint32, u32::MAX.into())),
        (GgufValue::I32(-4), Value::Integer(ValueType::Int32, -4)),
        (GgufValue::U64(u64::MAX), Value::Integer(ValueType::Uint64, u64::MAX.into())),
        (GgufValue::I64(i64::MIN), Value::Integer(ValueType::Int64, i64::MIN.into())),
        (GgufValue::F32(0.1), Value::Float(ValueType::Float32, 0.1)),
        (GgufValue::F64(1e300), Value::Float(ValueType::Float64, 1e300)),
        (GgufValue::Bool(true), Value::Bool(true)),
        (GgufValue::Text("é".to_owned()), Value::Text("é")),
    ];
    for version in [2, 3] {
        let mut file = Gguf { version, ..Gguf::new() };
        for (index, (value, _)) in values.iter().enumerate() {
            file = file.key(&format!("k{index}"), value.clone());
        }
        file = file.key("list", GgufValue::Texts(vec!["a".to_owned(), String::new()]));
        let file = GgufFile::from_bytes(file.bytes(), "keys.gguf").unwrap();
        assert_eq!((file.version(), file.keys().count(), file.infos().count()), (version, 13, 0));
        for (index, (_, wanted)) in values.iter().enumerate() {
            assert_eq!(file.value(&format!("k{index}")).unwrap().as_ref(), Some(wanted));
        }
        let list = |array: Array<'_>| array.values().map(|value| value.unwrap().to_string()).collect::<Vec<_>>();
        match file.value("list").unwrap() {
            Some(Value::Array(array)) => {
                assert_eq!((array.len(), array.element()), (2, ValueType::String));
                assert_eq!(list(array), ["STRING \"a\"", "STRING \"\""]);
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(file.value("none").unwrap(), None);
    }
}

/// Reads all of a file that may be damaged; whether it was accepted as a model.
fn read_all(bytes: Vec<u8>) -> bool {
    let size = bytes.len();
    let Ok(file) = GgufFile::from_bytes(bytes, "mutated.gguf") else { return false };
    for key in file.keys() {
        if let Ok(Some(Value::Array(array))) = file.value(key) {
            let _ = array.values().take_while(Result::is_ok).count();
        }
    }
    let _ = file.tokenizer();
    let Ok(checkpoint) = Checkpoint::of_gguf(&file) else { return false };
    assert!(checkpoint.total_bytes() <= size);
    for info in checkpoint.infos() {
        let tensor = checkpoint.tensor(info.name).unwrap();
        let Ok(values) = tensor.read_f32() else { continue };
        assert_eq!(values.len(), tensor.rows() * tensor.row_len());
        if let Some(blocks) = tensor.blocks(0..tensor.rows()).unwrap() {
            assert_eq!(blocks.len(), info.bytes);
        }
        tensor.release();
    }
    GgufModel::new(file).is_ok()
}

#[test]
fn mutated_files_are_read_or_refused() {
    const MUTATIONS: usize = 100_000;
    let sizes = GgufLlama { width: 32, heads: 2, key_heads: 1, vocabulary: 3, ..GgufLlama::default() };
    let file = sizes.gguf().key("general.alignment", 32u32).key("tokenizer.ggml.model", "gpt2");
    let file = file.key("tokenizer.ggml.tokens", &["a", "b", "c"][..]).f32("rope_freqs.weight", &[8], &[1.0; 8]);
    let file = file.tensor("vector", &[256], 12, vec![7; 144]).bytes();
    let header = file.windows(6).position(|bytes| bytes == b"vector").unwrap() + 50;
    let data = &mut Data::new(42);
    assert!(read_all(file.clone()));
    let mut accepted = 0;
    for _ in 0..MUTATIONS {
        let mut mutated = file.clone();
        for _ in 0..1 + data.below(3) {
            let at = data.below(header.min(mutated.len() - 16));
            match data.below(6) {
                0 => mutated[at] ^= 1 << data.below(8),
                1 => mutated[at] = data.choose(&[0, 1, 0x7F, 0x80, 0xFF]),
                2 => {
                    let field = &mut mutated[at..at + 8];
                    field.copy_from_slice(
                        &data.choose(&[0, 1, 8, 13, u64::MAX, 1 << 63, 1 << 32, 1 << 61]).to_le_bytes(),
                    );
                }
                3 => mutated[at..at + 4].copy_from_slice(&(data.below(45) as u32).to_le_bytes()),
                4 => drop(mutated.drain(at..at + data.below(9))),
                _ => mutated.truncate(data.below(mutated.len()).max(64)),
            }
        }
        accepted += usize::from(read_all(mutated));
    }
    // Most mutations of names and numbers leave a file that can be read.
    assert!((MUTATIONS / 100..MUTATIONS).contains(&accepted), "{accepted}");
}
